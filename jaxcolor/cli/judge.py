"""`jaxcolor judge`: do coloured photographs fool people?"""

import argparse
import math
import os
from pathlib import Path

from jaxcolor.cli.arguments import add_address_arguments, add_token_argument, whole_number
from jaxcolor.cli.serve import choose_token
from jaxcolor.errors import UserError, missing_package


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `judge`."""
    parser.description = (
        'Serves a page that shows true and coloured photographs one at a time, and asks which is which. Ctrl-C ends '
        'it, and prints how often people were fooled. The same line again goes on with the same results.'
    )
    pictures = parser.add_argument_group('the pictures')
    pictures.add_argument('--pictures', type=Path, metavar='FOLDER', help='colour photographs; their centre squares')
    pictures.add_argument(
        '--size', type=whole_number(16, 2048), default=384, metavar='PIXELS', help='of a side, default %(default)s'
    )
    pictures.add_argument(
        '--count',
        type=whole_number(1, 1000),
        default=60,
        metavar='N',
        help='pictures at most, spread over the folder, default %(default)s; everybody is shown each once',
    )
    pictures.add_argument(
        '--min-colorfulness',
        type=float,
        default=8.0,
        metavar='X',
        help='less colourful ones are left out, default %(default)g',
    )
    pictures.add_argument(
        '--seconds', type=_seconds, metavar='S', help='that each is shown; as long as one likes if left out'
    )
    answers = parser.add_argument_group('the answers')
    answers.add_argument(
        '--results',
        type=Path,
        default=Path('judgements.jsonl'),
        metavar='FILE',
        help='to which they are added, a line each, default %(default)s',
    )
    answers.add_argument('--report', type=Path, metavar='FILE', help='print what such a file says, and nothing else')
    server = parser.add_argument_group('the page')
    add_address_arguments(server)
    add_token_argument(server)


def run(arguments: argparse.Namespace) -> int:
    """Serve until a signal comes, then print what was answered; return the exit status."""
    from jaxcolor.perceptual_study.answers import Results, Setting

    if arguments.report is not None:
        if arguments.pictures is not None:
            raise UserError('--report does not go with --pictures; leave one of them out')
        if not arguments.report.exists():
            raise UserError(f'--report={arguments.report}: there is no such file; use one of --results')
        print(Results(arguments.report).report())
        return 0
    if arguments.pictures is None:
        raise UserError('--pictures is missing; use a folder of colour photographs, or --report with results')
    try:
        from jaxcolor.perceptual_study.run import run as run_server
        from jaxcolor.server.settings import Settings
    except ModuleNotFoundError as error:
        raise missing_package(error, 'jaxcolor judge', 'serve') from error
    from jaxcolor import compilation_cache
    from jaxcolor.inference.colorizer import Colorizer
    from jaxcolor.perceptual_study.pictures import prepare
    from jaxcolor.perceptual_study.study import Study
    from jaxcolor.storage import explain_refusal

    given = os.environ.get('JAXCOLOR_TOKEN') if arguments.token is None else arguments.token
    token, is_new = choose_token(given, arguments.host)
    results = Results(arguments.results)
    with explain_refusal(arguments.results, '--results'):
        arguments.results.open('ab').close()
    compilation_cache.use()
    colorizer = Colorizer.restore(arguments.model, checkpoint=arguments.checkpoint, render_size=arguments.render_size)
    pictures = prepare(colorizer, arguments.pictures, arguments.size, arguments.count, arguments.min_colorfulness)
    left_out = f'; left out for being grey: {pictures.grey}' if pictures.grey else ''
    print(f'{len(pictures.pairs)} pictures, each for everybody once, true or coloured{left_out}')
    setting = Setting(f'{arguments.model}, step {colorizer.step}', arguments.size, arguments.seconds)
    study = Study(pictures.pairs, setting, results)
    run_server(study, Settings(token=token), arguments.host, arguments.port, show_token=is_new)
    print(results.report())
    return 0


def _seconds(text: str) -> float:
    """Return the value of `--seconds`."""
    seconds = float(text)
    if not 0 < seconds <= 3600 or not math.isfinite(seconds):
        raise argparse.ArgumentTypeError(f'{text} is out of range; use more than 0, to 3600')
    return seconds
