"""`jaxcolor sweep FILE`: variants of a config one after the other, and a page that compares them."""

import argparse
import ast

from jaxcolor.errors import UserError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options; all others are fields for every variant."""
    parser.description = (
        'Train the variants of a sweep one after the other, each in a folder of its own, and compare them in a page. '
        'The same line again goes on where it was, and skips what is done. A variant that fails leaves the others be.'
    )
    parser.epilog = (
        'example: jaxcolor sweep akshat23 --only lab,rgb --config.data.source=folder:landscapes\n\n'
        '--config.field=value overrides a field of all variants.'
    )
    parser.add_argument('sweep', nargs='?', metavar='SWEEP', help='NAME[:smoke] of --list, or the path of a file')
    parser.add_argument('--list', action='store_true', help='print the sweeps that come along, with a line each')
    parser.add_argument('--workdir', metavar='DIR', help='where the runs live; runs/<name of the sweep> if left out')
    parser.add_argument('--only', metavar='NAME,…', help='these variants alone')
    parser.add_argument('--seeds', metavar='N,…', help='train each variant with these seeds; the file says which else')
    parser.add_argument('--output', metavar='FILE', help='the page; DIR/compare.html if left out')


def run(arguments: argparse.Namespace) -> int:
    """Train, write the page, print its table; return the exit status: 1 if a variant failed."""
    import dataclasses

    from etils import epath

    from jaxcolor.errors import missing_package

    try:
        from jaxcolor import experiments
        from jaxcolor.compare import runs, sweep, train_all, write
    except ModuleNotFoundError as error:
        raise missing_package(error, 'training', 'train') from error

    if arguments.list:
        for name, path in experiments.paths('sweep').items():
            doc = ast.get_docstring(ast.parse(path.read_text())) or ''
            print(f'{name:24} {" ".join(doc.partition(chr(10) * 2)[0].split())}')
        return 0
    if arguments.sweep is None:
        raise UserError('SWEEP is missing; jaxcolor sweep --list prints those that come along')
    name, found = sweep.load(arguments.sweep)
    if arguments.seeds is not None:
        found = dataclasses.replace(found, seeds=_seeds(arguments.seeds))
    trials = sweep.trials(found, arguments.flags, arguments.only.split(',') if arguments.only else ())
    workdir = epath.Path(arguments.workdir or f'runs/{name}')
    output = arguments.output or workdir / 'compare.html'
    write.check_output(output)

    failed = train_all.train_all(trials, workdir)
    notes = [f'{trial} failed with status {status}.' for trial, status in failed.items()]
    places = [workdir / trial.name for trial in trials]
    scored = [place for place in places if runs.records(place / 'evaluations.jsonl')]
    notes += [f'{place.name} has no evaluation, and is not here.' for place in places if place not in scored]
    if not scored:
        raise UserError(f'no variant of {name} has an evaluation; see what each says above')
    table, text = write.write(runs.read(scored), output, f'Sweep {name}', notes)
    print(f'\n{text}\n{output}   {table}')
    return 1 if failed else 0


def _seeds(text: str) -> tuple[int, ...]:
    words = text.split(',')
    if not all(word.isdecimal() for word in words) or len(set(words)) < len(words):
        raise UserError(f'--seeds={text} is no list of seeds; use whole numbers, each once, such as 0,1,2')
    return tuple(map(int, words))
