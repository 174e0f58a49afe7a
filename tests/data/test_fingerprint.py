import os
import shutil

from jaxcolor.data.sources import open_source


def write(folder, **files):
    for name, content in files.items():
        path = folder / f'{name}.ppm'
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b'P6 1 1 255\n' + content)


def test_of_a_folder(tmp_path):
    """Names and sizes; not the place, and not the times, but for this copy."""
    write(tmp_path / 'one', a=b'abc', b=b'abcd')
    found = open_source(f'folder:{tmp_path / "one"}', 'train').fingerprint()
    assert found.pictures == 2
    assert open_source(f'folder:{tmp_path / "one"}', 'train').fingerprint() == found
    shutil.copytree(tmp_path / 'one', tmp_path / 'two')
    os.utime(tmp_path / 'two' / 'a.ppm', (1, 1))
    other = open_source(f'folder:{tmp_path / "two"}', 'train').fingerprint()
    assert (other.pictures, other.sha256) == (found.pictures, found.sha256)
    assert other.dated != found.dated
    write(tmp_path / 'two', a=b'abcd')
    larger = open_source(f'folder:{tmp_path / "two"}', 'train').fingerprint()
    assert (larger.pictures, larger.sha256 == found.sha256) == (2, False)
    (tmp_path / 'one' / 'b.ppm').rename(tmp_path / 'one' / 'c.ppm')
    assert open_source(f'folder:{tmp_path / "one"}', 'train').fingerprint().sha256 != found.sha256


def test_of_a_picture_that_is_gone(tmp_path):
    write(tmp_path, a=b'abc', b=b'abc')
    source = open_source(f'folder:{tmp_path}', 'train')
    before = source.fingerprint()
    (tmp_path / 'b.ppm').unlink()
    assert source.fingerprint().sha256 != before.sha256


def test_of_bundled_tiles():
    train, again, test = (open_source('bundled', split).fingerprint() for split in ('train', 'train', 'test'))
    assert train == again != test
    assert train.pictures == len(open_source('bundled', 'train'))
