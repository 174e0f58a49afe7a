"""What several commands share on their command lines."""

import argparse
from collections.abc import Callable
from typing import Any

from jaxcolor import weights


def add_model_arguments(parser: argparse.ArgumentParser, *, positional: bool = False, several: bool = False) -> None:
    """Declare the options that say which model it is, the first as `--model`, or without a name.

    Where there may be `several`, `model` is a list, or None.
    """
    model = parser.add_argument_group('the models' if several else 'the model')
    kind: dict[str, Any] = {'nargs': '?'} if positional else {'action': 'append' if several else 'store'}
    again = '. Given again, another to choose from; the first is taken where none is chosen' if several else ''
    model.add_argument(
        'model' if positional else '--model',
        default=None if several else weights.DEFAULT,
        metavar='MODEL',
        **kind,
        help='a name of `jaxcolor models`, the work directory of a run, a file *.safetensors, or '
        f'hf:OWNER/NAME[@REVISION]; default {weights.DEFAULT}{again}',
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


def add_address_arguments(group: argparse._ArgumentGroup) -> None:
    """Declare where a server listens."""
    group.add_argument(
        '--host', default='127.0.0.1', help='address to listen on, default %(default)s: this machine only'
    )
    group.add_argument(
        '--port',
        type=whole_number(0, 65535),
        default=8000,
        metavar='N',
        help='0 for any that is free, default %(default)s',
    )


def add_token_argument(group: argparse._ArgumentGroup) -> None:
    """Declare the token of a server."""
    group.add_argument(
        '--token',
        help="that requests must bring; also from JAXCOLOR_TOKEN. Left out, none on this machine's own address, else "
        "a new one, which is printed; '' for none where others see to it",
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
