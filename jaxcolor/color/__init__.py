"""Colour: sRGB to CIELAB and CIELUV and back, and how a picture becomes input and target."""
