"""`jaxcolor colorize`: files and folders of photographs, and films."""

import argparse
import sys
from functools import partial
from pathlib import Path

from jaxcolor.cli.arguments import whole_number
from jaxcolor.errors import UserError, missing_package


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `colorize`."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = (
        'Colours photographs, at their own size. What is in the output folder already stays and is skipped,\n'
        'with whatever options it was coloured (--overwrite colours it again), so the same line again goes on with\n'
        'what an interrupted one has left. Films (film.mp4, with jaxcolor[video]) are coloured where they are named.'
    )
    parser.epilog = (
        'example: jaxcolor colorize scans album.tif --compare\n\n'
        'Exit status: 0, or 1 if a picture failed or lacks its end (it is named, the others are coloured), or nothing\n'
        'could be done.'
    )
    parser.add_argument(
        'paths', nargs='+', metavar='PATH', help="a file, a folder with all below it, or a pattern: 'scans/**/*.tif'"
    )
    color = parser.add_argument_group('colour')
    color.add_argument(
        '--saturation',
        type=float,
        default=1.0,
        metavar='X',
        help='0 to 4: 0 is grey, 1 (the default) what the network says',
    )
    color.add_argument('--temperature', type=float, metavar='T', help="of a palette; the config's if left out")
    color.add_argument(
        '--vividness',
        type=float,
        metavar='V',
        help="of a palette: 0 is calm, 0.4 bold; the config's if left out",
    )
    color.add_argument('--warmth', type=float, default=0.0, metavar='W', help='of the light: -1 is cool, 1 warm')
    color.add_argument(
        '--hints',
        type=Path,
        metavar='FILE',
        help='colours that you say, JSON: {"photo.jpg": [[x, y, "#8a5a3c"], …], …}; x and y in pixels of the upright '
        'picture, from its upper left corner',
    )
    color.add_argument(
        '--variants',
        action='store_true',
        help='plausible colourings of each: name-calm.jpg, …, and name-variants.jpg, a sheet of them all',
    )
    color.add_argument(
        '--samples',
        type=whole_number(1),
        metavar='N',
        help='so many colourings of each, of a model with dropout: name-1.jpg, …',
    )
    color.add_argument('--seed', type=whole_number(0), default=0, metavar='S', help='of the samples')
    color.add_argument('--flip-average', action='store_true', help='with the mirror image; steadier, twice the work')
    files = parser.add_argument_group('files')
    files.add_argument(
        '--output',
        metavar='PATH',
        help='where results go: a folder, in the sub-folders of the input, or a file (x.jpg) for one picture; if left '
        'out, `colorized` in the folder that is named first, or in that of the first file. What is in folders of that '
        'name is no input',
    )
    files.add_argument(
        '--format',
        type=lambda name: {'jpg': 'jpeg', 'tif': 'tiff'}.get(name, name),
        choices=('same', 'png', 'jpeg', 'webp', 'tiff'),
        default='same',
        help='same as the input (the default; GIF and HEIC, which are not written, become PNG)',
    )
    files.add_argument(
        '--quality',
        type=whole_number(1, 100),
        default=95,
        metavar='1-100',
        help='of JPEG and WebP, default %(default)s',
    )
    files.add_argument(
        '--depth',
        type=int,
        choices=(8, 16),
        default=8,
        help='bits a channel, default %(default)s; 16 writes PNG, or TIFF with --format=tiff',
    )
    files.add_argument('--compare', action='store_true', help='before and after side by side as well: name-compare.jpg')
    files.add_argument('--overwrite', action='store_true', help='colour again what is there')
    files.add_argument(
        '--max-pixels', type=whole_number(1), metavar='N', help='larger ones are refused, default 250 megapixels'
    )
    files.add_argument(
        '--batch-size',
        type=whole_number(1),
        default=32,
        metavar='N',
        help='small pictures at a time, default %(default)s',
    )
    test = parser.add_argument_group('measuring')
    test.add_argument(
        '--gray-test',
        action='store_true',
        help='grey colour photographs first, and compare the results with the truth: a table, and scores.jsonl '
        '(centre square, shorter side at most 512 pixels)',
    )


def run(arguments: argparse.Namespace) -> int:
    """Colour what the arguments name; return the exit status."""
    from jaxcolor import compilation_cache
    from jaxcolor.batch_inference import batch, discover
    from jaxcolor.batch_inference.jobs import GrayTest, JobFiles, Settings
    from jaxcolor.batch_inference.tally import Tally
    from jaxcolor.films import plan as film_plan
    from jaxcolor.imaging.photos import WRITABLE, Limits
    from jaxcolor.imaging.walk import is_film
    from jaxcolor.inference import hints, variants
    from jaxcolor.inference.colorizer import Colorizer
    from jaxcolor.inference.options import Options

    output = discover.default_output(arguments.paths[0]) if arguments.output is None else Path(arguments.output)
    one_file = discover.one_file(output)
    deep, form = arguments.depth == 16, arguments.format
    if deep:
        conflicts = {
            '--gray-test': arguments.gray_test,
            f'--format={form}': form not in ('same', 'png', 'tiff'),
            f'--output={output}': one_file and WRITABLE.get(output.suffix.lower()) not in ('PNG', 'TIFF'),
        }
        for conflict in (option for option, given in conflicts.items() if given):
            raise UserError(f'--depth=16 does not go with {conflict}; leave one of them out')
        form = 'png' if form == 'same' and not one_file else form
    if arguments.variants:
        _check_variants(arguments)
    given = {} if arguments.hints is None else hints.read(arguments.hints)
    found = discover.find(arguments.paths, output)
    films = {path: relative for path, relative in found.files.items() if is_film(path)}
    pictures = {path: relative for path, relative in found.files.items() if path not in films}
    film_jobs = []
    if films or film_plan.one_film(output):
        film_plan.check(vars(arguments), list(films))
        film_jobs = film_plan.plan(films, output, len(pictures))
        try:
            from jaxcolor.films import run as film_run
        except ModuleNotFoundError as error:
            raise missing_package(error, f'colouring films ({next(iter(films))})', 'video') from error
    plan = partial(
        discover.plan,
        pictures,
        output,
        form,
        samples=arguments.samples,
        compare=arguments.compare,
        hints=given,
    )
    jobs = plan(variants=list(variants.VARIANTS) if arguments.variants else [])
    # Before anything is skipped, or begun anew: what is there says nothing of the model and the options of this line.
    compilation_cache.use()
    colorizer = Colorizer.restore(arguments.model, checkpoint=arguments.checkpoint, render_size=arguments.render_size)
    settings = Settings(
        Options(
            arguments.saturation,
            arguments.temperature,
            arguments.samples,
            arguments.seed,
            arguments.flip_average,
            arguments.vividness,
            arguments.warmth,
        ),
        Limits() if arguments.max_pixels is None else Limits(pixels=arguments.max_pixels),
        batch_size=arguments.batch_size,
        quality=arguments.quality,
        depth=arguments.depth,
        overwrite=arguments.overwrite,
        variants=variants.of(colorizer) if arguments.variants else {},
    )
    if arguments.variants:  # of which a model may have fewer
        jobs = plan(variants=list(settings.variants))
    colorizer.check(settings.options)
    if any(given.values()):
        colorizer.check_takes_hints()
    folder = output.parent if one_file else output
    gray_test = GrayTest.open(folder, anew=arguments.overwrite) if arguments.gray_test else None
    files = JobFiles(settings, gray_test)
    for reason in found.refused:
        print(f'failed: {" ".join(reason.splitlines())}', file=sys.stderr)
    left = [job for job in jobs if not files.is_done(job)]
    tally = batch.run(colorizer, files, left) if left else Tally()
    tally.skipped = len(jobs) - len(left)
    tally.failed += len(found.refused)
    if gray_test is not None and (table := gray_test.table([job.name for job in jobs])):
        print(f'{table}\n')
    where = f'; in {output}' if arguments.output is None else ''
    if jobs or found.refused:
        print(f'{tally}{where}')
    unwell = tally.failed or tally.incomplete
    if film_jobs:
        most = min(film_plan.MOST_PIXELS, settings.limits.pixels)
        options, overwrite = settings.options, arguments.overwrite
        film_tally = film_run.run(colorizer, film_jobs, options, most_pixels=most, overwrite=overwrite)
        print(f'{film_tally}{where}')
        unwell = unwell or film_tally.failed or film_tally.incomplete
    return 1 if unwell else 0


def _check_variants(arguments: argparse.Namespace) -> None:
    """Check that no option says what the variants say."""
    conflicts = {
        f'--samples={arguments.samples}': arguments.samples is not None,
        f'--temperature={arguments.temperature}': arguments.temperature is not None,
        f'--vividness={arguments.vividness}': arguments.vividness is not None,
        f'--saturation={arguments.saturation}': arguments.saturation != 1,
        f'--warmth={arguments.warmth}': arguments.warmth != 0,
        '--gray-test': arguments.gray_test,
    }
    for conflict in (option for option, given in conflicts.items() if given):
        raise UserError(f'--variants does not go with {conflict}; leave one of them out')
