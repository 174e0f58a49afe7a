"""CIFAR-10 from its makers' archive into the files that TFDS would write: TFDS itself needs TensorFlow for that."""

import contextlib
import hashlib
import io
import tarfile
import tempfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tqdm import tqdm

URL = 'https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz'
_SHA256 = 'c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd'
_FILES = {'train': [f'data_batch_{n}.bin' for n in range(1, 6)], 'test': ['test_batch.bin']}
_BLOCK = 2**20  # bytes read at a time


def prepare(builder: Any) -> None:
    """Write `builder.data_dir`, with the records, names and order that `builder.download_and_prepare` gives them.

    The archive is downloaded, unless it lies beside the data sets, in `downloads`. A folder that is there is whole.

    Args:
      builder: TFDS' own, of `cifar10`; its data directory is on a disk.

    Raises:
      ValueError: the archive is not the one that is known.
      OSError: no network, no space.
    """
    folder = Path(builder.data_dir)
    folder.parent.mkdir(parents=True, exist_ok=True)
    archive = Path(builder.data_dir_root) / 'downloads' / URL.rpartition('/')[2]
    with tempfile.TemporaryDirectory(prefix=f'{folder.name}.incomplete', dir=folder.parent) as temporary:
        if not archive.is_file():
            archive = Path(temporary) / archive.name
            _download(URL, archive)
        _check(archive)
        whole = Path(temporary) / 'whole'
        whole.mkdir()
        _write(archive, whole, builder)
        with contextlib.suppress(FileExistsError):  # another process was faster
            whole.rename(folder)


def _download(url: str, path: Path) -> None:
    with urllib.request.urlopen(url, timeout=60) as answer, path.open('wb') as file:
        size = int(answer.headers.get('Content-Length') or 0) or None
        with tqdm(total=size, unit='B', unit_scale=True, desc=f'downloading {path.name}', disable=None) as bar:
            while block := answer.read(_BLOCK):
                file.write(block)
                bar.update(len(block))


def _check(archive: Path) -> None:
    with archive.open('rb') as file:
        found = hashlib.file_digest(file, 'sha256').hexdigest()
    if found != _SHA256:
        raise ValueError(f'{archive.name} has SHA-256 {found}, should have {_SHA256}')


def _write(archive: Path, folder: Path, builder: Any) -> None:
    import tensorflow_datasets as tfds
    from array_record.python.array_record_module import ArrayRecordWriter

    features = builder.info.features
    template = tfds.core.ShardedFileTemplate(folder, dataset_name=builder.name, filetype_suffix='array_record')
    splits = []
    with tarfile.open(archive) as tar:
        features['label'].names = _member(tar, 'batches.meta.txt').decode().split()
        for split, files in _FILES.items():
            records = np.frombuffer(b''.join(_member(tar, name) for name in files), np.uint8).reshape(-1, 3073)
            path = template.replace(split=split).sharded_filepath(shard_index=0, num_shards=1)
            writer = ArrayRecordWriter(str(path), 'group_size:1')
            size = 0
            for example in _examples(split, records):
                serialized = features.serialize_example(example)
                writer.write(serialized)
                size += len(serialized)
            writer.close()
            splits.append(tfds.core.SplitInfo(split, [len(records)], size, template))
    tfds.folder_dataset.write_metadata(
        data_dir=folder,
        features=features,
        split_infos=splits,
        version=builder.version,
        filename_template=template,
        check_data=False,  # it would read the data by TensorFlow
        description=builder.info.description,
        homepage=builder.info.homepage,
        citation=builder.info.citation,
        supervised_keys=builder.info.supervised_keys,
    )


def _member(tar: tarfile.TarFile, name: str) -> bytes:
    file = tar.extractfile(f'cifar-10-batches-bin/{name}')
    assert file is not None
    return file.read()


def _examples(split: str, records: np.ndarray) -> Iterator[dict[str, Any]]:
    """Return what the records hold: a byte for the class, then the red, the green and the blue pixels.

    The order is TFDS' own, so that a seed draws the same batches whoever has prepared the data set.
    """

    def shuffled(index: int) -> bytes:
        return hashlib.md5(f'{split}{index}'.encode()).digest()

    for index in tqdm(sorted(range(len(records)), key=shuffled), desc=f'preparing {split}', disable=None):
        image = io.BytesIO()  # encoded here, for TFDS encodes by TensorFlow
        Image.fromarray(records[index, 1:].reshape(3, 32, 32).transpose(1, 2, 0)).save(image, 'png')
        image.seek(0)
        yield {'id': f'{split}_{index:05d}', 'image': image, 'label': int(records[index, 0])}
