"""`jaxcolor colorize | serve | export | models`: for people with photographs, and for the platforms that serve them."""

import argparse
import logging
import os
import signal
import sys
from collections.abc import Callable, Sequence

from jaxcolor import weights, xla_flags
from jaxcolor.errors import InterruptedRunError, UserError, missing_package


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; returns its exit status. A user's mistake ends in one line and status 1."""
    parser = argparse.ArgumentParser(prog='jaxcolor', description='Colour grey photographs with a trained model.')
    commands = parser.add_subparsers(required=True, metavar='COMMAND')
    model = _model_arguments()
    for name, help_text, add_arguments, run in (
        ('colorize', 'colour files and folders of photographs', _colorize_arguments, _colorize),
        ('serve', 'a web page and an HTTP API', _serve_arguments, _serve),
        (
            'export',
            'the model as one file, or its network as StableHLO, SavedModel or ONNX',
            _export_arguments,
            _export,
        ),
    ):
        command = commands.add_parser(name, help=help_text, parents=[model])
        add_arguments(command)
        command.set_defaults(run=run)
    commands.add_parser('models', help='the models that come with the package').set_defaults(run=_models)
    arguments = parser.parse_args(argv)
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


def _model_arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(add_help=False)
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
    return parser


def _colorize_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options of `colorize`."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = (
        'Colours photographs, at their own size. What is in the output folder already stays and is skipped,\n'
        'so the same line again goes on with what an interrupted one has left.'
    )
    parser.epilog = (
        'example: jaxcolor colorize scans album.tif --compare\n\n'
        'Exit status: 0, or 1 if a picture failed (it is named, the others are coloured) or nothing could be done.'
    )
    parser.add_argument(
        'paths', nargs='+', metavar='PATH', help="a file, a folder with all below it, or a pattern: 'scans/**/*.tif'"
    )
    color = parser.add_argument_group('colour')
    color.add_argument(
        '--saturation', type=float, default=1.0, metavar='X', help='0 is grey, 1 (the default) what the network says'
    )
    color.add_argument('--temperature', type=float, metavar='T', help="of a palette; the config's if left out")
    color.add_argument(
        '--vividness',
        type=float,
        metavar='V',
        help="of a palette: 0 is calm, 0.4 bold; the config's if left out",
    )
    color.add_argument(
        '--samples',
        type=_whole(1),
        metavar='N',
        help='so many colourings of each, of a model with dropout: name-1.jpg, …',
    )
    color.add_argument('--seed', type=_whole(0), default=0, metavar='S', help='of the samples')
    color.add_argument('--flip-average', action='store_true', help='with the mirror image; steadier, twice the work')
    files = parser.add_argument_group('files')
    files.add_argument(
        '--output',
        metavar='DIR',
        help='where results go, in the sub-folders of the input; if left out, `colorized` in the folder that is '
        'named first, or in that of the first file. What is in folders of that name is no input',
    )
    files.add_argument(
        '--format',
        choices=('same', 'png', 'jpeg', 'webp', 'tiff'),
        default='same',
        help='same as the input (the default; GIF and HEIC, which are not written, become PNG)',
    )
    files.add_argument(
        '--quality', type=_whole(1, 100), default=95, metavar='1-100', help='of JPEG and WebP, default %(default)s'
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
        '--max-pixels', type=_whole(1), metavar='N', help='larger ones are refused, default 250 megapixels'
    )
    files.add_argument(
        '--batch-size', type=_whole(1), default=32, metavar='N', help='small pictures at a time, default %(default)s'
    )
    test = parser.add_argument_group('measuring')
    test.add_argument(
        '--gray-test',
        action='store_true',
        help='grey colour photographs first, and compare the results with the truth: a table, and scores.jsonl '
        '(centre square, shorter side at most 512 pixels)',
    )


def _colorize(arguments: argparse.Namespace) -> int:
    from pathlib import Path

    from jaxcolor.batch_inference import batch, discover
    from jaxcolor.batch_inference.jobs import Filing, GrayTest, Settings
    from jaxcolor.imaging.photos import Limits
    from jaxcolor.inference import compilation_cache
    from jaxcolor.inference.colorizer import Colorizer, Options

    deep = arguments.depth == 16
    if deep and (arguments.gray_test or arguments.format not in ('same', 'png', 'tiff')):
        conflict = '--gray-test' if arguments.gray_test else f'--format={arguments.format}'
        raise UserError(f'--depth=16 does not go with {conflict}; leave one of them out')
    output = discover.default_output(arguments.paths[0]) if arguments.output is None else Path(arguments.output)
    jobs = discover.plan(
        discover.find(arguments.paths, output),
        output,
        'png' if deep and arguments.format == 'same' else arguments.format,
        samples=arguments.samples,
        compare=arguments.compare,
    )
    settings = Settings(
        Options(
            arguments.saturation,
            arguments.temperature,
            arguments.samples,
            arguments.seed,
            arguments.flip_average,
            arguments.vividness,
        ),
        Limits() if arguments.max_pixels is None else Limits(pixels=arguments.max_pixels),
        batch_size=arguments.batch_size,
        quality=arguments.quality,
        depth=arguments.depth,
        overwrite=arguments.overwrite,
    )
    gray_test = GrayTest.open(output, anew=arguments.overwrite) if arguments.gray_test else None
    files = Filing(settings, gray_test)
    left = [job for job in jobs if not files.is_done(job)]
    tally = batch.Tally()
    if left:
        compilation_cache.use()
        colorizer = Colorizer.restore(
            arguments.model, checkpoint=arguments.checkpoint, render_size=arguments.render_size
        )
        tally = batch.run(colorizer, files, left)
    tally.skipped = len(jobs) - len(left)
    if gray_test is not None and (table := gray_test.table([job.name for job in jobs])):
        print(f'{table}\n')
    print(f'{tally}; in {output}' if arguments.output is None else tally)
    return 1 if tally.failed else 0


def _whole(least: int, most: int | None = None) -> Callable[[str], int]:
    """The type of an option that is a whole number within bounds."""

    def parse(text: str) -> int:
        number = int(text)
        if number < least or (most is not None and number > most):
            bounds = f'{least} or more' if most is None else f'{least} to {most}'
            raise argparse.ArgumentTypeError(f'{text} is out of range; use {bounds}')
        return number

    parse.__name__ = 'whole number'  # argparse: "invalid whole number value: 'x'"
    return parse


def _serve_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options of `serve`."""
    place = parser.add_argument_group('where')
    place.add_argument(
        '--host', default='127.0.0.1', help='address to listen on, default %(default)s: this machine only'
    )
    place.add_argument(
        '--port', type=_whole(0, 65535), default=8000, metavar='N', help='0 for any that is free, default %(default)s'
    )
    place.add_argument(
        '--root-path', default='', metavar='PATH', help='where a proxy has put the server, such as /colour'
    )
    limits = parser.add_argument_group('limits')
    for name, default, metavar, meaning in (
        ('--batch-size', 8, 'N', 'pictures that go to the device together'),
        ('--queue', 32, 'N', 'pictures at work or waiting; more are told to come again'),
        ('--max-megabytes', 64, 'N', 'size of a file'),
        ('--max-megapixels', 64, 'N', 'size of a picture'),
        ('--upload-timeout', 60, 'SECONDS', 'that a client may take to send a picture'),
        ('--answer-timeout', 120, 'SECONDS', 'from there to the answer'),
        ('--drain-timeout', 60, 'SECONDS', 'that answers may take after SIGTERM'),
    ):
        limits.add_argument(
            name, type=_whole(1), default=default, metavar=metavar, help=f'{meaning}, default %(default)s'
        )


def _serve(arguments: argparse.Namespace) -> int:
    try:
        from jaxcolor.server import run
        from jaxcolor.server.settings import Settings
    except ModuleNotFoundError as error:
        raise missing_package(error, 'jaxcolor serve', 'serve') from error
    from jaxcolor.imaging.photos import Limits
    from jaxcolor.inference.colorizer import Colorizer

    settings = Settings(
        batch_size=arguments.batch_size,
        queue=arguments.queue,
        photo=Limits(bytes=arguments.max_megabytes * 2**20, pixels=arguments.max_megapixels * 10**6),
        upload_timeout=arguments.upload_timeout,
        answer_timeout=arguments.answer_timeout,
        drain_timeout=arguments.drain_timeout,
        root_path=arguments.root_path.rstrip('/'),
    )
    logging.getLogger('jaxcolor').setLevel(logging.INFO)
    colorizer = Colorizer.restore(arguments.model, checkpoint=arguments.checkpoint, render_size=arguments.render_size)
    run.run(colorizer, settings, arguments.host, arguments.port)
    return 0


def _export_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options of `export`."""
    parser.description = (
        'Writes the model as one file, or its network for other runtimes: lightness in, colour out, without dropout. '
        'There a JSON says the scale, the sizes and what the numbers mean.'
    )
    parser.add_argument('--output', required=True, metavar='PATH', help='the file, or the folder of a SavedModel')
    parser.add_argument(
        '--format',
        required=True,
        choices=('safetensors', 'stablehlo', 'savedmodel', 'onnx'),
        help='a file for --model, with weights in float16; a file for JAX and XLA; a folder for TensorFlow and its '
        'Serving; a file for onnxruntime and browsers',
    )
    parser.add_argument(
        '--size',
        type=_whole(1),
        metavar='N',
        help='for pictures of N x N pixels alone, faster on CPUs; for any size that the network can take if left out',
    )
    parser.add_argument('--overwrite', action='store_true', help='replace an export that is there')


def _export(arguments: argparse.Namespace) -> int:
    from jaxcolor.export import export
    from jaxcolor.inference.colorizer import Colorizer

    colorizer = Colorizer.restore(arguments.model, checkpoint=arguments.checkpoint, render_size=arguments.render_size)
    written = export(colorizer, arguments.output, arguments.format, size=arguments.size, overwrite=arguments.overwrite)
    print(written)
    return 0


def _models(arguments: argparse.Namespace) -> int:
    del arguments
    for name in weights.names():
        print(weights.entry(name))
    return 0


if __name__ == '__main__':
    sys.exit(main())
