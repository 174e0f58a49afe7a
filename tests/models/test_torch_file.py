"""Files of `torch.save`, in both forms, read without PyTorch; and what such a file may not do.

golden/torch holds one state dict as PyTorch 2.13 wrote it in the form of today and in that of before 1.6:
`weight` is the transpose of 0..11 as 3 x 4, `bias` is 2..4 of the same storage.
"""

import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest

from jaxcolor.errors import UserError
from jaxcolor.models.torch_file import read_state_dict

FOLDER = Path(__file__).parent / 'golden' / 'torch'
FILES = ('zip.pth', 'stream.pth')


@pytest.mark.parametrize('name', FILES)
def test_reads_what_pytorch_wrote(name):
    entries = read_state_dict(FOLDER / name)
    assert list(entries) == ['layer.weight', 'layer.bias', 'half', 'bfloat', 'count', 'empty']
    np.testing.assert_array_equal(entries['layer.weight'], np.arange(12, dtype=np.float32).reshape(3, 4).T)
    np.testing.assert_array_equal(entries['layer.bias'], [2, 3, 4])
    np.testing.assert_array_equal(entries['half'], np.float16([0.5, -2]))
    np.testing.assert_array_equal(entries['bfloat'].astype(np.float32), [1.5, 3])
    assert entries['count'] == 7
    assert entries['count'].dtype == np.int64
    assert entries['empty'].shape == (0, 3)


@pytest.mark.parametrize('name', FILES)
def test_a_file_cut_short_is_named(tmp_path, name):
    whole = (FOLDER / name).read_bytes()
    for share in (0.02, 0.3, 0.6, 0.9, 0.999):
        file = tmp_path / 'cut.pth'
        file.write_bytes(whole[: int(share * len(whole))])
        with pytest.raises(UserError, match=r'cut\.pth can not be read as a PyTorch state dict'):
            read_state_dict(file)


class Calls:
    """Unpickled, it would make a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def save_zip(path, content):
    with zipfile.ZipFile(path, 'w') as archive:
        archive.writestr('archive/data.pkl', pickle.dumps(content, protocol=2))
    return path


def test_a_file_that_wants_to_run_code_is_refused(tmp_path):
    made = tmp_path / 'made'
    for file in (save_zip(tmp_path / 'zip.pth', {'a': Calls(made)}), tmp_path / 'stream.pth'):
        if not file.exists():
            file.write_bytes(pickle.dumps(Calls(made)))
        with pytest.raises(UserError, match='is no part of a state dict'):
            read_state_dict(file)
    assert not made.exists()


@pytest.mark.parametrize('content', [{'a': 1}, [1, 2], 'text', None])
def test_other_content_is_no_state_dict(tmp_path, content):
    with pytest.raises(UserError, match='is not a PyTorch state dict, names with tensors'):
        read_state_dict(save_zip(tmp_path / 'other.pth', content))


def test_a_tensor_can_not_reach_beyond_its_numbers(tmp_path):
    with zipfile.ZipFile(FOLDER / 'zip.pth') as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    file = tmp_path / 'beyond.pth'
    with zipfile.ZipFile(file, 'w') as archive:
        for name, data in parts.items():
            archive.writestr(name, data[:16] if name.endswith('data/0') else data)
    with pytest.raises(UserError, match='a tensor reaches beyond its numbers'):
        read_state_dict(file)


def test_not_a_file_of_torch(tmp_path):
    file = tmp_path / 'x.pth'
    for data in (b'', b'nothing', pickle.dumps(3)):
        file.write_bytes(data)
        with pytest.raises(UserError, match='can not be read as a PyTorch state dict'):
            read_state_dict(file)
