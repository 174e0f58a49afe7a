"""`jaxcolor train | eval | compare | sweep | colorize | judge | serve | export | models`: one file a command."""

import argparse
import difflib
import importlib.metadata
import logging
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from typing import NoReturn

from jaxcolor import xla_flags
from jaxcolor.cli import colorize, compare, export, judge, models, serve, sweep, train
from jaxcolor.cli.arguments import add_model_arguments
from jaxcolor.errors import InterruptedRunError, UserError


class _Parser(argparse.ArgumentParser):
    """One that says what a misspelt command or option may have been."""

    def error(self, message: str) -> NoReturn:
        """Print the usage, the message and a guess; exit with status 2."""
        words = [word.partition('=')[0] for word in sys.argv[1:]]
        wrong = next((word for word in words if word in message), '')
        near = difflib.get_close_matches(wrong, list(_known(self)), 1)
        super().error(f'{message}; did you mean {near[0]}?' if near and near[0] != wrong else message)


class _Version(argparse.Action):
    """Asks for the version only where it is wanted: a checkout that is not installed has none."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        print(f'jaxcolor {importlib.metadata.version("jaxcolor")}')
        parser.exit()


def _known(parser: argparse.ArgumentParser) -> Iterator[str]:
    """Yield the commands and options of a parser and of its commands'."""
    for action in parser._actions:
        yield from action.option_strings
        if isinstance(action.choices, dict):
            yield from action.choices
            for command in action.choices.values():
                yield from _known(command)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return its exit status. A user's mistake ends in one line and status 1."""
    words = list(sys.argv[1:] if argv is None else argv)
    parser = _Parser(prog='jaxcolor', description='Colour grey photographs, and train networks that do.')
    parser.add_argument('--version', action=_Version, nargs=0, help='print the version and exit')
    commands = parser.add_subparsers(required=True, metavar='COMMAND', parser_class=_Parser)
    for mode, help_text in (('train', 'train a network'), ('eval', 'score a trained network on its test pictures')):
        command = commands.add_parser(mode, help=help_text, formatter_class=argparse.RawDescriptionHelpFormatter)
        train.add_arguments(command, mode)
    for own, help_text in ((compare, 'runs beside each other, as a page'), (sweep, 'train variants, and compare them')):
        name = own.__name__.rpartition('.')[2]
        command = commands.add_parser(name, help=help_text, formatter_class=argparse.RawDescriptionHelpFormatter)
        own.add_arguments(command)
        command.set_defaults(run=own.run)
    for module, help_text in (
        (colorize, 'colour files and folders of photographs'),
        (judge, 'a page that asks people which photographs are coloured'),
        (serve, 'a web page and an HTTP API'),
        (export, 'the model as one file, or its network as StableHLO, SavedModel or ONNX'),
    ):
        command = commands.add_parser(module.__name__.rpartition('.')[2], help=help_text)
        add_model_arguments(command, positional=module is judge, several=module is serve)
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    commands.add_parser('models', help='the models that come with the package').set_defaults(run=models.run)
    if '_ARGCOMPLETE' in os.environ:  # a shell asks what could come next
        import argcomplete

        argcomplete.autocomplete(parser)
    if words[:1] in (['train'], ['eval'], ['sweep']):  # the fields of a config are no options of this parser
        arguments, flags = parser.parse_known_args(words)
        arguments.flags = flags
    else:
        arguments = parser.parse_args(words)
    logging.basicConfig(format='%(levelname)s: %(message)s', level=logging.WARNING)
    try:
        xla_flags.check()
        return arguments.run(arguments)
    except UserError as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    except InterruptedRunError as interruption:
        print(interruption, file=sys.stderr)
        return 128 + interruption.signum
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except BrokenPipeError:  # `| head` has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
