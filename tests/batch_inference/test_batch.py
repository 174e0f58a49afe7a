"""`jaxcolor colorize` as a person runs it: real files, a real model, and what is wrong with either."""

import errno
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import skimage.color
import skimage.data
import tifffile
from helpers import fast_compile, hostile, locked_folders
from PIL import Image

from jaxcolor.batch_inference import batch
from jaxcolor.batch_inference.jobs import JobFiles
from jaxcolor.imaging import tiff

ROOT = Path(__file__).parents[2]


pytestmark = pytest.mark.usefixtures('restored_once')


@pytest.fixture
def scans(tmp_path):
    """Four pictures of one size, in a folder and one below it."""
    return [
        save(tmp_path / 'scans' / name, number) for number, name in enumerate(('a.jpg', 'b.png', 'c/d.tif', 'e.gif'))
    ]


def picture(number=0, height=40, width=48):
    return skimage.data.astronaut()[20 * number :][:height, 200 : 200 + width]


def save(path, number=0, mode='RGB'):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture(number)).convert(mode).save(path)
    return path


def read(path):
    with Image.open(path) as image:
        image.load()
        return image


def written(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob('*') if path.is_file())


def test_a_folder_is_coloured(colorize, scans, tmp_path, capsys):
    assert colorize(tmp_path / 'scans', '--batch-size', 4) == 0
    assert written(tmp_path / 'out') == ['a.jpg', 'b.png', 'c/d.tif', 'e.png']
    for name, kind in (('a.jpg', 'JPEG'), ('b.png', 'PNG'), ('c/d.tif', 'TIFF'), ('e.png', 'PNG')):
        image = read(tmp_path / 'out' / name)
        assert (image.format, image.mode, image.size) == (kind, 'RGB', (48, 40))
    result = np.asarray(read(tmp_path / 'out' / 'b.png'))
    lightness = [skimage.color.rgb2lab(image)[..., 0] for image in (result, picture(1))]
    np.testing.assert_allclose(*lightness, atol=0.5)
    assert np.abs(result.astype(int) - picture(1)).max() > 10  # in colours of its own
    out, err = capsys.readouterr()
    assert out.startswith('4 coloured; ')
    assert out.endswith(' images/s\n')
    assert err == ''  # no bar where there is no terminal


@pytest.fixture
def album(tmp_path):
    """Four pages of different sizes, depths and resolutions."""
    path = tmp_path / 'album.tif'
    with tifffile.TiffWriter(path) as writer:
        for number in range(4):
            page = picture(number, 40 - number, 48)[..., 0]
            writer.write(
                page if number else page.astype(np.uint16) * 257, resolution=(100 + number, 100), metadata=None
            )
    return path


@pytest.mark.parametrize('options', [[], ['--depth', 16, '--format', 'tiff'], ['--samples', 2, '--compare']])
def test_all_pages_of_a_tiff_are_coloured(colorize, album, scans, tmp_path, capsys, options):
    """Each as it would be alone."""
    assert colorize(album, scans[2], *options) == 0
    out, err = capsys.readouterr()
    assert err == ''
    assert out.startswith('2 coloured; ')
    alone = tmp_path / 'alone'
    for number in range(4):
        with tifffile.TiffFile(album) as opened:
            tifffile.imwrite(tmp_path / f'{number}.tif', opened.pages[number].asarray(), metadata=None)
    assert colorize(*(tmp_path / f'{number}.tif' for number in range(4)), *options, '--output', alone) == 0
    results = [name for name in written(tmp_path / 'out') if name.startswith('album')]
    assert len(results) == (3 if '--samples' in options else 1)
    for name in results:
        with tifffile.TiffFile(tmp_path / 'out' / name) as opened:
            assert len(opened.pages) == 4
            for number, page in enumerate(opened.pages):
                np.testing.assert_array_equal(
                    page.asarray(), tifffile.imread(alone / name.replace('album', str(number)))
                )
                assert page.resolution == (100 + number, 100)
    capsys.readouterr()
    assert colorize(album, scans[2], *options) == 0
    assert capsys.readouterr().out == '0 coloured; 2 skipped, already there; --overwrite colours again\n'


def test_a_page_that_can_not_be_read_is_named(colorize, album, tmp_path, capsys):
    tifffile.imwrite(album, picture().astype(np.float32), append=True, photometric='rgb', metadata=None)
    assert colorize(album) == 1
    out, err = capsys.readouterr()
    assert out.startswith('1 coloured, 1 incomplete; ')
    assert err.startswith(f'page 5 of 5 is left out: {album}: this kind of TIFF (32 bits, floating point, RGB')
    with tifffile.TiffFile(tmp_path / 'out' / 'album.tif') as opened:
        assert len(opened.pages) == 4


def test_pages_are_read_one_at_a_time_and_nothing_half_done_stays(colorize, album, tmp_path, monkeypatch, capsys):
    """A disk that is full at the third page."""
    add, added = tiff.Writer.add, []

    def adding(self, *arguments, **options):
        added.append(loaded.copy())
        if len(added) == 3:
            raise OSError(errno.ENOSPC, 'No space left on device')
        add(self, *arguments, **options)

    load, loaded = JobFiles.load, []

    def loading(self, job, page=0):
        loaded.append(page)
        return load(self, job, page)

    monkeypatch.setattr(tiff.Writer, 'add', adding)
    monkeypatch.setattr(JobFiles, 'load', loading)
    assert colorize(album) == 1
    assert 'album.tif can not be written: No space left on device; ' in capsys.readouterr().err
    assert not list((tmp_path / 'out').iterdir())
    assert all(pages == list(range(number + 2))[: len(pages)] for number, pages in enumerate(added))


def test_a_signal_between_two_pages(colorize, album, scans, tmp_path, monkeypatch, capsys):
    add = tiff.Writer.add

    def adding(self, *arguments, **options):
        add(self, *arguments, **options)
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(tiff.Writer, 'add', adding)
    assert colorize(album) == 128 + signal.SIGTERM
    assert capsys.readouterr().err.startswith('SIGTERM: 0 coloured, 1 to go')
    assert not list((tmp_path / 'out').iterdir())


def test_pages_that_are_left_out_are_counted(colorize, tmp_path, capsys):
    album = tmp_path / 'album.tif'
    pages = [Image.fromarray(picture(number)) for number in range(3)]
    pages[0].save(album, save_all=True, append_images=pages[1:])
    assert colorize(album, '--format', 'png') == 0
    out, err = capsys.readouterr()
    assert err == f'{album}: the first picture alone is coloured; 2 more in it are left out\n'
    assert out.startswith('1 coloured; ')


def test_a_file_that_lacks_its_end(colorize, scans, tmp_path, capsys):
    cut = tmp_path / 'cut.jpg'
    Image.fromarray(skimage.data.astronaut()).save(cut, quality=90)
    cut.write_bytes(cut.read_bytes()[:-600])
    assert colorize(cut, scans[0]) == 1
    out, err = capsys.readouterr()
    assert out.startswith('2 coloured, 1 incomplete; ')
    assert err == f'{cut}: the file ends too early; the last 3 % are missing, the rest is coloured\n'
    assert read(tmp_path / 'out' / 'cut.jpg').size == (512, 512)


def test_what_is_there_stays(colorize, scans, tmp_path, capsys):
    mine = tmp_path / 'out' / 'b.png'
    mine.parent.mkdir()
    mine.write_bytes(b'mine')
    assert colorize(tmp_path / 'scans') == 0
    assert mine.read_bytes() == b'mine'
    assert '3 coloured; 1 skipped, already there; --overwrite colours again; ' in capsys.readouterr().out
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / 'out').rglob('*')}
    assert colorize(tmp_path / 'scans') == 0
    assert capsys.readouterr().out == '0 coloured; 4 skipped, already there; --overwrite colours again\n'
    assert times == {path: path.stat().st_mtime_ns for path in (tmp_path / 'out').rglob('*')}
    assert colorize(tmp_path / 'scans', '--overwrite') == 0
    assert read(mine).format == 'PNG'


def test_the_model_and_the_options_are_looked_at_before_anything_is_skipped(colorize, scans, tmp_path, capsys):
    assert colorize(scans[1]) == 0
    capsys.readouterr()
    for option, value, message in (
        ('--saturation', 5, 'saturation=5.0 is out of range; use 0 (grey) to 4'),
        ('--temperature', 1, 'temperature=1.0: only palettes have one'),
        ('--model', tmp_path / 'nowhere', 'nowhere holds no run'),
    ):
        assert colorize(scans[1], option, value) == 1
        out, err = capsys.readouterr()
        assert out == ''
        assert err.startswith('error: ')
        assert message in err


def test_scores_of_another_run_outlive_a_model_that_is_not_there(colorize, scans, tmp_path):
    scores = tmp_path / 'out' / 'scores.jsonl'
    scores.parent.mkdir()
    scores.write_text('{"name": "b.png", "mae": 1.0}\n')
    assert colorize(scans[1], '--gray-test', '--overwrite', '--model', tmp_path / 'nowhere') == 1
    assert scores.read_text() == '{"name": "b.png", "mae": 1.0}\n'


def test_results_of_no_length_are_not_done(colorize, scans, tmp_path, capsys):
    (tmp_path / 'out').mkdir()
    (tmp_path / 'out' / 'b.png').touch()
    assert colorize(scans[1]) == 0
    assert capsys.readouterr().out.startswith('1 coloured; ')
    assert read(tmp_path / 'out' / 'b.png').size == (48, 40)


def test_a_folder_that_can_not_be_entered_is_a_failure(colorize, scans, tmp_path, capsys, monkeypatch):
    locked_folders.refuse(monkeypatch, 'c')
    assert colorize(tmp_path / 'scans') == 1
    out, err = capsys.readouterr()
    assert out.startswith('3 coloured; 1 failed; ')
    assert err == f'failed: {tmp_path}/scans/c: Permission denied\n'


def test_the_output_is_a_file(colorize, scans, tmp_path, capsys):
    for output, kind in (('x.jpg', 'JPEG'), ('y.tif', 'TIFF')):
        assert colorize(scans[1], '--output', tmp_path / output) == 0
        assert read(tmp_path / output).format == kind
    assert colorize(scans[1], '--output', tmp_path / 'z.tif', '--depth', 16) == 0
    assert tifffile.imread(tmp_path / 'z.tif').dtype == np.uint16
    capsys.readouterr()
    assert colorize(*scans[:2], '--output', tmp_path / 'x.jpg') == 1
    assert 'x.jpg is one file, for 2 pictures; use a folder' in capsys.readouterr().err


def test_only_what_is_missing_of_a_picture_is_written(colorize, scans, tmp_path):
    arguments = (scans[1], '--samples', 2, '--compare')
    assert colorize(*arguments) == 0
    first = {name: (tmp_path / 'out' / name).read_bytes() for name in written(tmp_path / 'out')}
    assert list(first) == ['b-1.png', 'b-2.png', 'b-compare.png']
    (tmp_path / 'out' / 'b-1.png').write_bytes(b'mine')
    (tmp_path / 'out' / 'b-2.png').unlink()
    assert colorize(*arguments) == 0
    assert (tmp_path / 'out' / 'b-1.png').read_bytes() == b'mine'
    assert (tmp_path / 'out' / 'b-2.png').read_bytes() == first['b-2.png']


def test_failing_files_are_named_and_the_others_coloured(colorize, scans, tmp_path, capsys):
    (tmp_path / 'scans' / 'broken.jpg').write_bytes(scans[0].read_bytes()[:300])
    (tmp_path / 'scans' / 'text.png').write_text('a shopping list')
    assert colorize(tmp_path / 'scans') == 1
    assert written(tmp_path / 'out') == ['a.jpg', 'b.png', 'c/d.tif', 'e.png']
    out, err = capsys.readouterr()
    assert '4 coloured; 2 failed; ' in out
    assert len(err.splitlines()) == 2
    for name in ('scans/broken.jpg: ', 'scans/text.png: not a'):
        assert sum(line.startswith(f'failed: {tmp_path}/{name}') for line in err.splitlines()) == 1, err
    assert colorize(tmp_path / 'scans') == 1  # they still fail, the others are there
    assert '0 coloured; 4 skipped, already there; --overwrite colours again; 2 failed\n' in capsys.readouterr().out


def test_the_longest_name_is_written_and_one_that_grows_too_long_is_named(colorize, scans, tmp_path, capsys):
    longest = save(tmp_path / 'scans' / f'{"x" * 251}.png')
    assert colorize(longest) == 0
    assert written(tmp_path / 'out') == [longest.name]
    capsys.readouterr()
    assert colorize(longest, scans[1], '--compare', '--overwrite') == 1
    out, err = capsys.readouterr()
    assert '1 coloured; 1 failed; ' in out
    (line,) = err.splitlines()
    assert line.startswith(f'failed: {tmp_path}/out/{"x" * 251}-compare.png can not be written: File name too long')


def test_samples_differ_and_are_drawn_by_the_seed(colorize, scans, tmp_path, capsys):
    def samples(*options):
        assert colorize(*scans[:2], '--samples', 2, '--overwrite', *options) == 0
        return {name: (tmp_path / 'out' / name).read_bytes() for name in written(tmp_path / 'out')}

    first = samples()
    assert list(first) == ['a-1.jpg', 'a-2.jpg', 'b-1.png', 'b-2.png']
    assert first['b-1.png'] != first['b-2.png']
    assert samples() == first
    again = samples('--seed', 1)
    assert all(again[name] != first[name] for name in first)


def test_side_by_side(colorize, scans, tmp_path):
    rgba = np.dstack([picture(), np.full((40, 48), 9, np.uint8)])
    Image.fromarray(rgba).save(tmp_path / 'scans' / 'clear.png')
    assert colorize(tmp_path / 'scans' / 'clear.png', '--compare', '--samples', 2) == 0
    shown = np.asarray(read(tmp_path / 'out' / 'clear-compare.png'))
    parts = [rgba, *(np.asarray(read(tmp_path / 'out' / f'clear-{number}.png')) for number in (1, 2))]
    np.testing.assert_array_equal(shown, np.concatenate(parts, axis=1))


@pytest.mark.parametrize(
    ('form', 'kind'),
    [('png', 'PNG'), ('jpeg', 'JPEG'), ('jpg', 'JPEG'), ('webp', 'WEBP'), ('tiff', 'TIFF'), ('tif', 'TIFF')],
)
def test_formats(colorize, scans, tmp_path, form, kind):
    assert colorize(*scans[:2], '--format', form) == 0
    paths = [tmp_path / 'out' / name for name in written(tmp_path / 'out')]
    assert [path.stem for path in paths] == ['a', 'b']
    assert {read(path).format for path in paths} == {kind}


def test_quality(colorize, scans, tmp_path):
    sizes = []
    for quality in (95, 30):
        assert colorize(scans[1], '--format', 'jpeg', '--quality', quality, '--overwrite') == 0
        sizes.append((tmp_path / 'out' / 'b.jpg').stat().st_size)
    assert sizes[1] < 0.6 * sizes[0]


def test_sixteen_bits(colorize, tmp_path):
    """A ramp finer than 8 bits keeps its steps; at 8 bits the result is the same, rounded."""
    ramp = np.linspace(20000, 22000, 40 * 48).astype(np.uint16).reshape(40, 48)
    scan = tmp_path / 'ramp.tif'
    Image.fromarray(ramp).save(scan)
    byte = save(tmp_path / 'byte.jpg', mode='L')
    assert colorize(scan, byte, '--depth', 16, '--saturation', 0, '--compare') == 0
    assert written(tmp_path / 'out') == ['byte-compare.png', 'byte.png', 'ramp-compare.png', 'ramp.png']
    deep = sixteen_bits(tmp_path / 'out' / 'ramp.png')
    np.testing.assert_allclose(deep, np.repeat(ramp[..., None], 3, axis=2), atol=3)
    grey = np.asarray(read(byte)).astype(int) * 257
    np.testing.assert_allclose(sixteen_bits(tmp_path / 'out' / 'byte.png')[..., 1], grey, atol=3)
    shown = sixteen_bits(tmp_path / 'out' / 'ramp-compare.png')
    np.testing.assert_array_equal(shown, np.concatenate([np.repeat(ramp[..., None], 3, axis=2), deep], axis=1))

    assert colorize(scan, '--format', 'png', '--saturation', 0, '--overwrite') == 0
    shallow = read(tmp_path / 'out' / 'ramp.png')
    np.testing.assert_array_equal(np.asarray(shallow), (deep.astype(int) + 128) // 257)

    assert colorize(scan, '--depth', 16, '--format', 'tiff', '--saturation', 0) == 0
    np.testing.assert_array_equal(tifffile.imread(tmp_path / 'out' / 'ramp.tif'), deep)


def sixteen_bits(path):
    """Pillow reads 16-bit colour as 8 bits; OpenCV and scikit-image are no help either, so by hand."""
    import zlib

    content, idat = path.read_bytes(), b''
    position, width, height = 8, 0, 0
    while position < len(content):
        length, name = int.from_bytes(content[position : position + 4]), content[position + 4 : position + 8]
        body = content[position + 8 : position + 8 + length]
        if name == b'IHDR':
            width, height = int.from_bytes(body[:4]), int.from_bytes(body[4:8])
            assert tuple(body[8:10]) == (16, 2)
        idat += body if name == b'IDAT' else b''
        position += 12 + length
    rows = np.frombuffer(zlib.decompress(idat), np.uint8).reshape(height, -1)
    assert (rows[:, 0] == 2).all()  # the filter 'up'
    return np.cumsum(rows[:, 1:], axis=0, dtype=np.uint8).view('>u2').reshape(height, width, 3)


def test_pictures_in_flight_are_bounded(colorize, scans, tmp_path, monkeypatch):
    """In pixels: so large scans do not fill the memory; and one larger than the bound is coloured all the same."""
    for number in range(12):
        save(tmp_path / 'scans' / f'{number}.png', number)
    lock, in_flight, most = threading.Lock(), 0, 0

    def counted(change, function):
        def call(*arguments):
            nonlocal in_flight, most
            with lock:
                in_flight += change == 1
                most = max(most, in_flight)
            try:
                return function(*arguments)
            finally:
                with lock:
                    in_flight -= change == -1

        return call

    monkeypatch.setattr(JobFiles, 'load', counted(1, JobFiles.load))
    monkeypatch.setattr(JobFiles, 'save', counted(-1, JobFiles.save))
    for bound, allowed in ((1, 1), (4 * 2 * 40 * 48, 4)):
        monkeypatch.setattr(batch, '_IN_FLIGHT', bound)
        monkeypatch.setattr(batch, '_BATCH_PIXELS', 1)
        in_flight = most = 0
        assert colorize(tmp_path / 'scans', '--overwrite') == 0
        assert in_flight == 0
        assert 1 <= most <= allowed
    assert len(written(tmp_path / 'out')) == 16


def threads():
    return {thread for thread in threading.enumerate() if 'ThreadPool' in thread.name}


def test_a_disk_that_refuses_ends_the_command(colorize, scans, tmp_path, capsys):
    before = threads()
    (tmp_path / 'out').mkdir()
    (tmp_path / 'out' / 'c').write_text('in the way of a folder')
    assert colorize(tmp_path / 'scans') == 1
    out, err = capsys.readouterr()
    assert err.startswith(f'error: {tmp_path}/out/c/d.tif can not be written: ')
    assert err.endswith('choose another --output\n')
    assert len(err.splitlines()) == 1
    assert out == ''
    assert threads() == before


def test_a_full_disk_ends_the_command(make_run, scans, tmp_path):
    inside = ['unshare', '--user', '--map-root-user', '--mount', 'sh', '-c']
    if shutil.which('unshare') is None or subprocess.run([*inside, 'mount -t tmpfs none /mnt'], check=False).returncode:
        pytest.skip('needs a mount namespace to make a small disk in')
    noise = np.random.default_rng(0).integers(0, 256, (300, 300, 3), np.uint8)
    for number in range(4):
        Image.fromarray(noise).save(tmp_path / 'scans' / f'{number}.bmp')
    out = tmp_path / 'out'
    out.mkdir()
    line = (
        f'{sys.executable} -m jaxcolor.cli colorize {tmp_path}/scans --model {make_run()} --output {out} --batch-size 1'
    )
    script = f'mount -t tmpfs -o size=600k none {out}; {line}; echo "status $?"; cp {out}/*.bmp {tmp_path}'
    done = subprocess.run(
        [*inside, script], env=environment(), text=True, capture_output=True, timeout=200, check=False
    )
    assert 'status 1\n' in done.stdout, done.stderr
    assert 'can not be written: No space left on device; what was written before is whole; make room' in done.stderr
    assert 'Traceback' not in done.stderr
    whole = list(tmp_path.glob('*.bmp'))
    assert 1 <= len(whole) <= 2
    assert all(read(path).size == (300, 300) for path in whole)


def environment():
    """What a person has: one device, no strictness."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(('JAX_NUMPY', 'PYTEST', 'COV', 'XLA'))}
    return {
        **kept,
        'XLA_FLAGS': ' '.join(fast_compile.FLAGS),
        'PYTHONPATH': str(ROOT),
        'PYTHONWARNINGS': 'default',
    }


def test_an_interrupted_run_goes_on(colorize, make_run, tmp_path, capsys):
    """After SIGINT, and after SIGTERM; each leaves pictures that are whole, and nothing else."""
    source = save(tmp_path / 'scan.png')
    (tmp_path / 'scans').mkdir()
    for name in range(80):
        os.link(source, tmp_path / 'scans' / f'{name:02}.png')
    line = [sys.executable, '-m', 'jaxcolor.cli', 'colorize', f'{tmp_path}/scans', f'--model={make_run()}']
    there: list[str] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        process = subprocess.Popen(
            [*line, f'--output={tmp_path}/out', '--batch-size=1'], env=environment(), text=True, stderr=subprocess.PIPE
        )
        deadline = time.monotonic() + 200
        while not (tmp_path / 'out' / f'{len(there):02}.png').exists():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.005)
        process.send_signal(number)
        _, err = process.communicate(timeout=100)
        assert process.returncode == 128 + number, err
        before, there = there, written(tmp_path / 'out')
        expected = f'{len(there) - len(before)} coloured, {80 - len(there)} to go'
        assert err == f'{number.name}: {expected}; run the same line again to go on from there\n'
        assert all(read(tmp_path / 'out' / name).size == (48, 40) for name in there)
    assert colorize(tmp_path / 'scans') == 0
    assert (
        f'{80 - len(there)} coloured; {len(there)} skipped, already there; --overwrite colours again; '
        in capsys.readouterr().out
    )
    assert len(written(tmp_path / 'out')) == 80


def test_hostile_files(colorize, tmp_path, capsys, monkeypatch):
    """Each one becomes a picture or a line, whatever it holds and whatever it is called."""
    paths = hostile.hostile_files(tmp_path / 'in')
    paths = [path for number, path in enumerate(paths) if number % 5 < 3]  # 345 of them; all are tested with `photos`
    before = threads()
    assert colorize(*paths) == 1
    out, err = capsys.readouterr()
    results = written(tmp_path / 'out')
    cut = [line for line in err.splitlines() if line.endswith(' are missing, the rest is coloured')]
    pages = [line for line in err.splitlines() if line.startswith('page ')]
    incomplete = len(cut) + len({line.split(': ')[1] for line in pages})
    assert 0 < len(cut) < 30
    summary = f'{len(results)} coloured, {incomplete} incomplete; {len(paths) - len(results)} failed; '
    assert out.startswith(summary)
    assert len(results) > 50
    left_out = [line for line in err.splitlines() if line.endswith(' more in it are left out')] + cut
    assert 0 < len(left_out) < 50
    assert all(line.startswith(f'{tmp_path}') for line in left_out)
    failed = [line for line in err.splitlines() if line not in left_out + pages]
    assert len(failed) == len(paths) - len(results)
    assert all(line.startswith(f'failed: {tmp_path}') for line in failed)
    for name in results:
        assert read(tmp_path / 'out' / name).width > 0
    assert threads() == before
