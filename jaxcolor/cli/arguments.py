"""What several commands share on their command lines."""

import argparse
from collections.abc import Callable

from jaxcolor import weights


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options that say which model it is."""
    model = parser.add_argument_group('the model')
    model.add_argument(
        '--model',
        default=weights.DEFAULT,
        metavar='MODEL',
        help='a name of `jaxcolor models`, the work directory of a run, a file *.safetensors, or '
        'hf:OWNER/NAME[@REVISION]; default %(default)s',
    )
    model.add_argument(
        '--checkpoint', metavar='WHICH', help="of a run: latest, best or a step; the run's outcome if left out"
    )
    model.add_argument(
        '--render-size',
        type=int,
        metavar='PIXELS',
        help='shorter side that the network works at; as trained if left out',
    )


def whole_number(least: int, most: int | None = None) -> Callable[[str], int]:
    """Return the type of an option that is a whole number within bounds."""

    def parse(text: str) -> int:
        number = int(text)
        if number < least or (most is not None and number > most):
            bounds = f'{least} or more' if most is None else f'{least} to {most}'
            raise argparse.ArgumentTypeError(f'{text} is out of range; use {bounds}')
        return number

    parse.__name__ = 'whole number'  # argparse: "invalid whole number value: 'x'"
    return parse
