"""Kits of promises that every adapter of a port keeps, and the adapters that are held to them."""
