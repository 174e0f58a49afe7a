"""Plausible colourings of one photograph, to choose from."""

from jaxcolor.inference.colorizer import Colorizer

VARIANTS: dict[str, dict[str, float]] = {
    'default': {},
    'calm': {'vividness': 0.0, 'saturation': 0.75},
    'vivid': {'saturation': 1.35},
    'bold': {'vividness': 0.5, 'temperature': 0.7},
    'warm': {'warmth': 0.7},
    'cool': {'warmth': -0.6},
}
"""The options of each, by its name; chosen by eye on photographs of 1900 to 1936."""


def of(colorizer: Colorizer) -> dict[str, dict[str, float]]:
    """Return those that a model has."""
    missing = set() if colorizer.has_palette else {'vividness', 'temperature'}  # of palettes
    return {name: options for name, options in VARIANTS.items() if not options.keys() & missing}
