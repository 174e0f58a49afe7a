"""`jaxcolor compare RUN…`: runs beside each other, as a page and a table."""

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.description = (
        'Write a page with the scores of some runs beside the grey baseline, their losses and pictures, and what '
        'differs in their configs; and a Markdown table beside it. Runs that differ in their seeds alone become mean '
        'and spread. Nothing in the runs is changed: they may be going on.'
    )
    parser.epilog = 'example: jaxcolor compare runs/cifar_dcgan runs/cifar_pix2pix --output compare.html'
    parser.add_argument('runs', nargs='+', metavar='RUN', help='the work directory of a run')
    parser.add_argument(
        '--output', default='compare.html', metavar='FILE', help='the page; default %(default)s. The table is FILE.md'
    )


def run(arguments: argparse.Namespace) -> int:
    """Write the files, print the table; return the exit status."""
    from jaxcolor.errors import missing_package

    try:
        from jaxcolor.compare import runs, write
    except ModuleNotFoundError as error:
        raise missing_package(error, 'comparing', 'train') from error

    write.check_output(arguments.output)
    table, text = write.write(runs.read(arguments.runs), arguments.output, 'Comparison of runs')
    print(f'{text}\n{arguments.output}   {table}')
    return 0
