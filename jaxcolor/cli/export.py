"""`jaxcolor export`: the model as one file, its network for other runtimes, or a page that colours without a server."""

import argparse
from pathlib import Path

from jaxcolor.cli.arguments import whole_number


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `export`."""
    parser.description = (
        'Writes the model as one file, or its network for other runtimes: lightness in, colour out, without dropout. '
        'There a JSON says the scale, the sizes and what the numbers mean.'
    )
    parser.add_argument('--output', required=True, metavar='PATH', help='the file; for savedmodel and web, the folder')
    parser.add_argument(
        '--format',
        required=True,
        choices=('safetensors', 'stablehlo', 'savedmodel', 'onnx', 'web'),
        help='a file for --model, with weights in float16; a file for JAX and XLA; a folder for TensorFlow and its '
        'Serving; a file for onnxruntime and browsers; a folder with a page that colours in the browser',
    )
    parser.add_argument(
        '--size',
        type=whole_number(1),
        metavar='N',
        help='for pictures of N x N pixels alone, faster on CPUs; for any size that the network can take if left out',
    )
    parser.add_argument(
        '--runtime',
        type=Path,
        metavar='PATH',
        help="for web: onnxruntime-web as npm packs it, or a folder of it; npm's if left out, kept in the cache",
    )
    parser.add_argument('--overwrite', action='store_true', help='replace an export that is there')


def run(arguments: argparse.Namespace) -> int:
    """Write the export; return the exit status."""
    from jaxcolor.checkpoints.load import card
    from jaxcolor.export import export
    from jaxcolor.inference.colorizer import Colorizer

    colorizer = Colorizer.restore(arguments.model, checkpoint=arguments.checkpoint, render_size=arguments.render_size)
    written = export(
        colorizer,
        arguments.output,
        arguments.format,
        size=arguments.size,
        runtime=arguments.runtime,
        card=card(arguments.model),
        overwrite=arguments.overwrite,
    )
    print(written)
    return 0
