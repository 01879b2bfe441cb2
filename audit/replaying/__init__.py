"""All actions through the rules again, compared with what was recorded, byte for byte."""
