"""A trained generator as a file of weights, a program for other runtimes (StableHLO, SavedModel, ONNX), or a page."""

import importlib
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import jax

from jaxcolor.checkpoints import weights_file
from jaxcolor.errors import UserError, missing_package
from jaxcolor.export import metadata
from jaxcolor.export.network import Network
from jaxcolor.inference.colorizer import Colorizer
from jaxcolor.storage import explain_refusal, write_atomic
from jaxcolor.weights import Card

_FOLDERS = {'savedmodel': 'saved_model.pb', 'web': 'site.js'}  # formats that are folders, and a file that each has


class Export(NamedTuple):
    """What was written: a file or folder, and the JSON that describes it."""

    path: Path
    notes: Path
    description: dict[str, Any]

    def __str__(self) -> str:
        """Return what a person wants to know first: where, how large, which shapes, how to call it."""
        files = self.path.rglob('*') if self.path.is_dir() else [self.path]
        size = sum(file.stat().st_size for file in files if file.is_file()) / 1e6
        description = self.description
        usage = ''.join(f'\n    {line}' for line in description['usage'])
        if 'input' not in description:  # a page
            return f'{self.path} ({size:.1f} MB), described in {self.notes}\n{usage}'
        shapes = ' -> '.join(
            f'{array["name"]} {array["dtype"]} [{", ".join(map(str, array["shape"]))}]'
            for array in (description['input'], description['output'])
        )
        sizes = description['sizes']['height_and_width']
        limits = ''
        if isinstance(sizes, dict):
            limits = f'; h and w multiples of {sizes["multiple_of"]}, {sizes["at_least"]} or more'
        described = '' if self.notes == self.path else f', described in {self.notes}'
        return f'{self.path} ({size:.1f} MB){described}\n{shapes}{limits}\n{usage}'


def export(
    colorizer: Colorizer,
    path: str | Path,
    file_format: str,
    *,
    size: int | None = None,
    runtime: str | Path | None = None,
    card: Card | None = None,
    overwrite: bool = False,
) -> Export:
    """Write the generator, whole or not at all, and a JSON that says what it takes and gives (`describe`).

    Args:
      colorizer: whose generator, in inference: norms by their running statistics, no dropout, float32.
      path: `safetensors` writes this file, which says all; `stablehlo` and `onnx` write this file, and
        `<path>.json` beside it; `savedmodel` and `web` write this folder, with `jaxcolor.json` in it.
      file_format: `safetensors`, `stablehlo`, `savedmodel`, `onnx`, or `web`, a page.
      size: take pictures of size x size alone, which XLA makes faster programs of for CPUs; left out, of any size
        that the network can. The batch may have any size.
      runtime: for `web`, a file or folder of onnxruntime-web, see `runtime.find`; left out, npm's.
      card: for `web`, what the model's card says, if it has one.
      overwrite: replace an export that is there.

    Raises:
      UserError: there is something at `path`, it can't be written, a package is missing, or a size that the
        network can't take.
    """
    path = Path(path)
    if runtime is not None and file_format != 'web':
        raise UserError(f'--runtime={runtime} does not go with --format={file_format}; leave it out')
    if file_format == 'safetensors':
        return _export_weights(colorizer, path, size, overwrite)
    if file_format == 'web':
        return _export_page(colorizer, path, size, None if runtime is None else Path(runtime), card, overwrite)
    folder = file_format in _FOLDERS
    notes = path / 'jaxcolor.json' if folder else path.with_name(f'{path.name}.json')
    _check_free(path, notes, _FOLDERS.get(file_format), overwrite)
    network = Network.of(colorizer, size)
    write = _writer(file_format)
    description = metadata.describe(colorizer, network, file_format, path)
    with explain_refusal(path, '--output'), _without_paths():
        if folder:
            with _atomic_folder(path) as temporary:
                description |= write(network, colorizer, temporary)
                (temporary / notes.name).write_text(_to_json(description))
        else:
            content, more = write(network, description)
            description |= more
            write_atomic(path, content)
            write_atomic(notes, _to_json(description).encode())
    return Export(path, notes, description)


def _export_weights(colorizer: Colorizer, path: Path, size: int | None, overwrite: bool) -> Export:
    if size is not None:
        raise UserError(f'--size={size} does not go with --format=safetensors, which takes any; leave it out')
    if path.suffix != '.safetensors':
        raise UserError(f'--output={path} would not be known as a model again; use {path.name}.safetensors')
    _check_free(path, path, None, overwrite)
    with explain_refusal(path, '--output'):
        write_atomic(path, weights_file.encode(colorizer.config, colorizer.step, colorizer.model.variables))
    return Export(path, path, metadata.describe(colorizer, Network.of(colorizer), 'safetensors', path))


def _export_page(
    colorizer: Colorizer, path: Path, size: int | None, runtime: Path | None, card: Card | None, overwrite: bool
) -> Export:
    if size is not None:
        raise UserError(f'--size={size} does not go with --format=web, which takes any; leave it out')
    notes = path / 'jaxcolor.json'
    _check_free(path, notes, _FOLDERS['web'], overwrite)
    write = _writer('web')
    with explain_refusal(path, '--output'), _without_paths(), _atomic_folder(path) as temporary:
        description = metadata.describe_page(path) | write(Network.of(colorizer), colorizer, temporary, runtime, card)
        (temporary / notes.name).write_text(_to_json(description))
    return Export(path, notes, description)


def _writer(file_format: str) -> Callable[..., Any]:
    """Return the function that writes a format; TensorFlow and ONNX are imported for those who ask for them alone."""
    try:
        return importlib.import_module(f'jaxcolor.export.{file_format}').write
    except ModuleNotFoundError as error:
        raise missing_package(error, f'--format={file_format}', 'export') from error


def _check_free(path: Path, notes: Path, of_folder: str | None, overwrite: bool) -> None:
    """Check that there is nothing but an export of this format: a file, or a folder that has the file `of_folder`."""
    for taken in filter(Path.exists, (path, notes)):
        ours = (taken / of_folder).is_file() if of_folder else taken.is_file()
        if not ours and taken == path:
            raise UserError(f'{path} is there and no export of this format; choose another --output')
        if not overwrite:
            raise UserError(f'{taken} is there; choose another --output, or add --overwrite')


@contextmanager
def _without_paths() -> Iterator[None]:
    """Leaves the folders of this machine out of the source lines that a program carries for its error messages."""
    before = jax.config.values['jax_hlo_source_file_canonicalization_regex']
    jax.config.update('jax_hlo_source_file_canonicalization_regex', '.*/')
    try:
        yield
    finally:
        jax.config.update('jax_hlo_source_file_canonicalization_regex', before)


@contextmanager
def _atomic_folder(path: Path) -> Iterator[Path]:
    """Give a new folder that takes the place of `path` when all went well."""
    temporary, before = (path.with_name(f'.{path.name}.{end}') for end in ('tmp', 'old'))
    for left in (temporary, before):
        shutil.rmtree(left, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        yield temporary
        if path.exists():
            path.rename(before)
        temporary.rename(path)
    finally:
        for left in (temporary, before):
            shutil.rmtree(left, ignore_errors=True)


def _to_json(description: dict[str, Any]) -> str:
    return json.dumps(description, indent=2, ensure_ascii=False) + '\n'
