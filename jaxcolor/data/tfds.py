"""`tfds:NAME`: TFDS data sets in ArrayRecord files, read without TensorFlow."""

import dataclasses
import difflib
import os
import re
import sys
import urllib.error
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from jaxcolor.data import cifar10, splits
from jaxcolor.data.fingerprint import Fingerprint, digest
from jaxcolor.errors import UserError, missing_package
from jaxcolor.imaging.photos import read_rgb
from jaxcolor.storage import is_bucket

_AT_ONCE = 4096  # records that are in memory while their labels are read


@dataclasses.dataclass(frozen=True)
class TfdsRecords:
    """The pictures of a TFDS split; a record is a serialized tf.train.Example. See `sources.Source`."""

    title: str
    records: Any  # random access to bytes
    places: Sequence[int]  # of the pictures among the records
    features: Any  # parses the pictures alone: twice as fast as all of them
    feature: str  # which the pictures are
    version: str  # tells this preparation of the data set from others

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: int) -> bytes:
        return self.records[self.places[index]]

    def __getitems__(self, indices: Sequence[int]) -> Sequence[bytes]:
        return self.records.__getitems__([self.places[index] for index in indices])

    def decode(self, record: bytes, at_least: int) -> Image.Image:
        """See `photos.read_rgb`."""
        import tensorflow_datasets as tfds

        skip = {self.feature: tfds.decode.SkipDecoding()}
        return read_rgb(self.features.deserialize_example_np(record, decoders=skip)[self.feature], at_least)

    def name(self, index: int) -> str:
        """Return the data set, the split and the number in it."""
        return f'{self.title} picture {self.places[index]}'

    def fingerprint(self) -> Fingerprint:
        """By the data set's name, version and sizes, the split, and which of its records these are."""
        found = digest([self.title, self.feature, self.version, *self.places])
        return Fingerprint(len(self.places), found, found)


def open_tfds(name: str, split: str, labels: Sequence[str] = (), feature: str = 'image') -> TfdsRecords:
    """Open a split of a TFDS data set, which is prepared first if it has not been.

    Neither reading a prepared data set nor preparing CIFAR-10 imports TensorFlow; preparing any other does.

    Args:
      name: in TFDS' own syntax: `cifar10`, `coco/2017`, `imagenet2012:5.1.0`.
      split: in TFDS' own syntax: `train`, `train[:80%]`, `train+test`.
      labels: only the pictures of these classes, by the names of the feature `label`; none for all of them.
      feature: which of its features the pictures are.

    Raises:
      UserError: no such data set; neither prepared nor to be prepared here; no such picture feature; no such split;
        no such class, or none of its pictures in the split.
    """
    import tensorflow_datasets as tfds

    source = f'tfds:{name}'
    folder = os.environ.get('TFDS_DATA_DIR') or tfds.core.constants.DATA_DIR
    if '://' not in folder:  # a bucket's address stays as it is
        folder = str(Path(folder).expanduser().resolve())
    try:
        builder = tfds.builder(name, data_dir=folder)
    except tfds.core.DatasetNotFoundError as error:
        raise UserError(
            f'{source}: TFDS knows no such data set, and none is prepared in {folder} ($TFDS_DATA_DIR); '
            'the names are on https://www.tensorflow.org/datasets/catalog'
        ) from error
    except (AssertionError, ValueError) as error:
        raise UserError(f'{source}: {_first_line(error)}') from error
    if not builder.info.splits:
        _prepare(builder, source, folder)
        builder = tfds.builder(name, data_dir=folder)
    image = _picture_feature(builder.info.features, feature, source)
    if not set(re.findall(r'[a-z_]\w*', split)) <= {*builder.info.splits, 'all'}:
        raise splits.unknown(split, source, list(builder.info.splits))
    try:
        data = builder.as_data_source(split=split)
    except ValueError as error:
        raise UserError(f'{source}: split {split!r} is not understood; {_first_line(error)}') from error
    except NotImplementedError as error:
        raise UserError(
            f'{source} is prepared in {builder.data_dir}, but not as ArrayRecord, which random access needs; '
            f'run: tfds build {name} --data_dir={folder} --file_format=array_record --overwrite'
        ) from error
    records = data.data_source
    places: Sequence[int] = range(len(records))
    if labels:
        places = _places_of(labels, records, builder.info.features, source, split)
    features = tfds.features.FeaturesDict({feature: image})
    sizes = {name: (info.num_bytes, info.shard_lengths) for name, info in sorted(builder.info.splits.items())}
    return TfdsRecords(f'{source} {split}', records, places, features, feature, f'{builder.info.full_name} {sizes}')


def _picture_feature(features: Any, name: str, source: str) -> Any:
    """Return the feature `name`, of pictures of 8 or 16 bits; TFDS packs float32 into the channels of a PNG."""
    import tensorflow_datasets as tfds

    # Of a data set without code, the type is an instance of NumPy's dtype, else a class of its scalars.
    pictures = {
        key: feature
        for key, feature in sorted({**features}.items())
        if isinstance(feature, tfds.features.Image) and np.dtype(feature.np_dtype) in (np.uint8, np.uint16)
    }
    if name in pictures:
        return pictures[name]
    there = ', '.join(sorted(features))
    remedy = (
        f'use {" or ".join(pictures)}' if pictures else f'none of {there} is, of 8 or 16 bits; use another data set'
    )
    raise UserError(f'data.feature={name!r} is no picture feature of {source}; {remedy}')


def _places_of(labels: Sequence[str], records: Any, features: Any, source: str, split: str) -> list[int]:
    """Where the pictures of some classes are; 50,000 labels of CIFAR-10 take a second, for no picture is decoded."""
    import tensorflow_datasets as tfds

    label = {**features}.get('label')
    if not isinstance(label, tfds.features.ClassLabel):
        raise UserError(f'{source} has no feature `label` of classes: data.labels={tuple(labels)} can not be chosen')
    for name in labels:
        if name not in label.names:
            close = difflib.get_close_matches(name, label.names, n=len(label.names), cutoff=0.0)
            raise UserError(f'data.labels: {source} has no class {name!r}; it has {", ".join(close)}')
    wanted = {label.str2int(name) for name in labels}
    only_label = tfds.features.FeaturesDict({'label': label})
    places = []
    for start in range(0, len(records), _AT_ONCE):
        part = range(start, min(start + _AT_ONCE, len(records)))
        for place, record in zip(part, records.__getitems__(part), strict=True):
            if int(only_label.deserialize_example_np(record)['label']) in wanted:
                places.append(place)
    if not places:
        raise UserError(f'data.labels: none of the {len(records)} pictures of {source} {split} is {", ".join(labels)}')
    return places


def _prepare(builder: Any, source: str, folder: str) -> None:
    """Download and prepares: CIFAR-10 without TensorFlow, all else by TFDS, which needs it."""
    import tensorflow_datasets as tfds

    name, missing = source.removeprefix('tfds:'), f'{source} is not prepared in {folder} ($TFDS_DATA_DIR)'
    alone = builder.name == 'cifar10' and not is_bucket(folder)
    if alone:
        remedy = f'Put {cifar10.URL} into {folder}/downloads, or cifar10 as prepared elsewhere into {folder}'
    else:
        build = f'tfds build {name} --file_format=array_record --data_dir=DIR'
        remedy = f'Where there is a network, run: {build}; then set TFDS_DATA_DIR to DIR or a copy of it'
        try:
            import tensorflow  # noqa: F401  # TFDS would miss it only after the download
        except ModuleNotFoundError as error:
            raise missing_package(error, f'{missing}: preparing it', 'tfds') from error
    if not sys.stderr.isatty():
        tfds.disable_progress_bar()
    try:
        cifar10.prepare(builder) if alone else builder.download_and_prepare(file_format='array_record')
    except Exception as error:  # no network, no space, a changed checksum, …
        raise UserError(f'{missing}, and preparing it failed: {_reason(error)}\n{remedy}') from error


def _reason(error: Exception) -> str:
    text = str(error)
    if type(error) is urllib.error.URLError or 'Failed to resolve' in text or 'Max retries' in text:
        return 'no network'
    return f'{type(error).__name__}: {_first_line(error)}'[:200]


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [''])[0]
