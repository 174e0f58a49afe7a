"""`jaxcolor models`: the models that come with the package."""

import argparse

from jaxcolor import weights


def run(arguments: argparse.Namespace) -> int:
    """Print a line for each model; return the exit status."""
    del arguments
    for name in weights.names():
        print(weights.entry(name))
    return 0
