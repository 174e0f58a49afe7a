"""`jaxcolor train CONFIG` and `jaxcolor eval CONFIG`: `python -m jaxcolor.main` with fewer words."""

import argparse
import ast
import functools

from jaxcolor.errors import UserError


def add_arguments(parser: argparse.ArgumentParser, mode: str) -> None:
    """Declare the options of `train` or `eval`; all others go to `jaxcolor.main` as they are."""
    parser.description = (
        'Train what CONFIG describes; the same line again resumes.'
        if mode == 'train'
        else 'Score the newest checkpoint of a work directory on the test pictures of CONFIG.'
    )
    parser.epilog = (
        f'example: jaxcolor {mode} cifar_pix2pix --workdir=runs/short --config.num_epochs=5\n\n'
        '--config.field=value overrides any field; `jaxcolor train CONFIG --show` prints them.'
    )
    parser.add_argument(
        'config', nargs='?', metavar='CONFIG', help='NAME[:variant] of --list, or the path of a config file'
    )
    parser.add_argument('--list', action='store_true', help='print the configs that come along, with a line each')
    parser.add_argument('--show', action='store_true', help='print every field of CONFIG: value, meaning, default')
    parser.add_argument('--workdir', metavar='DIR', help='where the run lives; runs/<name of the config> if left out')
    parser.add_argument('--multihost', action='store_true', help='join the other hosts; each runs this line')
    parser.set_defaults(run=functools.partial(run, mode=mode))


def run(arguments: argparse.Namespace, mode: str) -> int:
    """Train, evaluate, or print what there is; return the exit status."""
    from jaxcolor import experiments  # imports JAX

    if arguments.flags and (arguments.list or arguments.show):
        option = '--list' if arguments.list else '--show'
        raise UserError(f'{arguments.flags[0]} does not go with {option}; leave one of them out')
    if arguments.list:
        for name, path in experiments.paths().items():
            doc = ast.get_docstring(ast.parse(path.read_text())) or ''
            print(f'{name:24} {" ".join(doc.partition(chr(10) * 2)[0].split())}')
        return 0
    if arguments.config is None:
        raise UserError('CONFIG is missing; jaxcolor train --list prints those that come along')
    if arguments.show:
        from jaxcolor.cli import show

        print(show.table(experiments.get_config(arguments.config)))
        return 0
    from jaxcolor import main  # its flags are absl's

    flags = [f'--config={arguments.config}', f'--mode={mode}', *arguments.flags]
    if arguments.workdir:
        flags.append(f'--workdir={arguments.workdir}')
    if arguments.multihost:
        flags.append('--multihost')
    main.run(['jaxcolor', *flags])
    return 0
