"""Measurements, as ratios against peers in the same run: the machine is noisy, ratios are less so."""
