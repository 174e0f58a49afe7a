"""Reads what `torch.save` wrote of a state dict, without PyTorch, and without running what a file may want to run.

A pickle can call anything. Here it can call what rebuilds a tensor, and an ordered dictionary; all else is refused.
"""

import collections
import io
import pickle
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

from jaxcolor.errors import UserError

_MAGIC = 0x1950A86A20F9469CFC6C
_DTYPES = {
    'HalfStorage': np.float16,
    'BFloat16Storage': ml_dtypes.bfloat16,
    'FloatStorage': np.float32,
    'DoubleStorage': np.float64,
    'IntStorage': np.int32,
    'LongStorage': np.int64,
}


def read_state_dict(path: Path) -> dict[str, np.ndarray]:
    """Return the tensors of a file of `torch.save`, of before or after PyTorch 1.6, by name; little-endian.

    Raises:
      UserError: it is no such file, it is cut short, or it holds anything but tensors.
    """
    try:
        if zipfile.is_zipfile(path):
            entries = _read_zip(path)
        else:
            with path.open('rb') as file:
                entries = _read_stream(file)
    except (pickle.UnpicklingError, EOFError, OSError, KeyError, IndexError, TypeError, ValueError) as error:
        reason = (str(error).splitlines() or [''])[0]
        raise UserError(
            f'{path} can not be read as a PyTorch state dict: {type(error).__name__}: {reason}; is it whole?'
        ) from error
    except (AttributeError, zipfile.BadZipFile) as error:
        raise UserError(f'{path} can not be read as a PyTorch state dict: {error}') from error
    if not isinstance(entries, Mapping) or not all(isinstance(value, _Tensor) for value in entries.values()):
        raise UserError(f'{path} is not a PyTorch state dict, names with tensors')
    try:
        return {str(name): tensor.read() for name, tensor in entries.items()}
    except (KeyError, ValueError) as error:
        raise UserError(f'{path} can not be read as a PyTorch state dict: {error}; is it whole?') from error


class _Storage:
    """The numbers of one or more tensors; they may come after the tensors in the file."""

    def __init__(self, dtype: Any):
        self.dtype = np.dtype(dtype)
        self.values: np.ndarray | None = None

    def fill(self, data: bytes) -> None:
        self.values = np.frombuffer(data, self.dtype)


class _Tensor:
    """A view of a storage."""

    def __init__(self, storage: _Storage, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: Any):
        self._storage, self._offset, self._shape, self._strides = storage, offset, shape, strides

    def read(self) -> np.ndarray:
        values = self._storage.values
        if values is None:
            raise ValueError('numbers are missing')
        steps = zip(self._shape, self._strides, strict=True)
        last = self._offset + sum((length - 1) * stride for length, stride in steps)
        if min((*self._shape, *self._strides, self._offset), default=0) < 0 or last >= max(len(values), 1):
            raise ValueError('a tensor reaches beyond its numbers')
        strides = [stride * self._storage.dtype.itemsize for stride in self._strides]
        return np.lib.stride_tricks.as_strided(values[self._offset :], self._shape, strides).copy()


class _Unpickler(pickle.Unpickler):
    """Knows nothing but what a state dict is made of."""

    def __init__(self, file: io.BufferedIOBase, load_storage: Callable[[tuple[Any, ...]], _Storage]):
        super().__init__(file, encoding='utf-8')
        self._load_storage = load_storage

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ('collections', 'OrderedDict'):
            return collections.OrderedDict
        if (module, name) == ('torch._utils', '_rebuild_tensor_v2'):
            return _Tensor
        if module == 'torch' and name in _DTYPES:
            return _DTYPES[name]
        raise pickle.UnpicklingError(f'it wants {module}.{name}, which is no part of a state dict')

    def persistent_load(self, pid: Any) -> _Storage:
        return self._load_storage(pid)


def _read_zip(path: Path) -> Any:
    with zipfile.ZipFile(path) as archive:
        index = next((name for name in archive.namelist() if name.endswith('data.pkl')), None)
        if index is None:
            raise KeyError('no data.pkl in it')
        storages: dict[str, _Storage] = {}

        def load_storage(pid: tuple[Any, ...]) -> _Storage:
            _, dtype, key, *_ = pid
            if key not in storages:
                storages[key] = _Storage(dtype)
                storages[key].fill(archive.read(f'{index.removesuffix("data.pkl")}data/{key}'))
            return storages[key]

        return _Unpickler(io.BytesIO(archive.read(index)), load_storage).load()


def _read_stream(file: io.BufferedIOBase) -> Any:
    """Read the form of before PyTorch 1.6: pickles one after the other, then each storage's length and numbers."""
    storages: dict[str, _Storage] = {}

    def load_storage(pid: tuple[Any, ...]) -> _Storage:
        _, dtype, key, *_ = pid
        return storages.setdefault(key, _Storage(dtype))

    def load() -> Any:
        return _Unpickler(file, load_storage).load()

    if load() != _MAGIC:
        raise ValueError('it is not a file of torch.save')
    _version, _system, entries, keys = (load() for _ in range(4))
    for key in keys:
        count = int.from_bytes(file.read(8), 'little')
        size = count * storages[key].dtype.itemsize
        data = file.read(size)
        if len(data) < size:
            raise EOFError('it is cut short')
        storages[key].fill(data)
    return entries
