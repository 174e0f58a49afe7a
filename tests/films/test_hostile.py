"""Files that are no films, or broken ones: one clear line each."""

import numpy as np
import pytest

pytest.importorskip('av')
pytest.importorskip('cv2')

import av
from helpers import films

from jaxcolor.films import color


def sound_alone(path):
    with av.open(str(path), 'w') as film:
        sound = film.add_stream('aac', rate=44100, layout='mono')
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), 'fltp', 'mono')
        frame.rate = 44100
        film.mux(sound.encode(frame))
        film.mux(sound.encode(None))


def no_frames(path):
    films.make(path, 3)
    content = bytearray(path.read_bytes())
    at = content.index(b'mdat') + 4
    end = content.index(b'moov') - 4
    content[at:end] = bytes(end - at)  # packets of zeros
    path.write_bytes(content)


def playlist(path):
    films.make(path.with_name('other.mp4'))
    path.write_text('#EXTM3U\n#EXTINF:1,\nother.mp4\n#EXT-X-ENDLIST\n')


def concat(path):
    films.make(path.with_name('other.mp4'))
    path.write_text('ffconcat version 1.0\nfile other.mp4\n')


def without_index(path):
    films.make(path)
    path.write_bytes(path.read_bytes()[:-400])


def hdr(path):
    films.make(path, 3, color_trc=16, colorspace=9, color_primaries=9)


@pytest.mark.parametrize(
    ('make', 'message'),
    [
        (lambda path: path.write_bytes(b''), 'can not be read as a film'),
        (lambda path: path.write_bytes(bytes(100_000)), 'can not be read as a film'),
        (lambda path: path.write_bytes(np.random.default_rng(0).bytes(100_000)), 'can not be read as a film'),
        (sound_alone, 'there are no moving pictures in it, only audio'),
        (no_frames, 'not one frame of it can be decoded'),
        (playlist, 'can not be read as a film'),
        (concat, 'can not be read as a film'),
        (without_index, 'can not be read as a film'),
        (hdr, 'its brightness is PQ (HDR); use a film of standard dynamic range'),
    ],
    ids=['empty', 'zeros', 'noise', 'sound', 'no frames', 'playlist', 'concat', 'no index', 'hdr'],
)
def test_one_line_each(colorize, tmp_path, capsys, make, message):
    film = tmp_path / 'film.mp4'
    make(film)
    good = films.make(tmp_path / 'good.mp4', 3)
    assert colorize(film, good) == 1
    output = capsys.readouterr()
    assert output.err.count('\n') == 1 and output.err.startswith(f'failed: {film}: ') and message in output.err
    assert [path.name for path in (tmp_path / 'out').iterdir()] == ['good.mp4']
    assert output.out.startswith('1 film coloured; 1 failed')


def test_frames_that_are_too_large(colorize, tmp_path, capsys):
    film = films.make(tmp_path / 'film.mp4', 3)
    assert colorize(film, '--max-pixels', 3000) == 1
    assert 'its frames have 64 x 48 pixels; use at most 3000' in capsys.readouterr().err


@pytest.mark.parametrize('size', [(1, 1), (2, 2), (16, 400)])
def test_odd_shapes(colorize, tmp_path, size, capsys):
    film = films.make(tmp_path / 'film.mkv', 3, codec='ffv1', pix_fmt='yuv444p', size=size)
    assert colorize(film) in (0, 1)
    output = capsys.readouterr()
    height, width = (side + side % 2 for side in size)
    if (tmp_path / 'out' / 'film.mkv').exists():
        assert [planes.shape for _, planes in films.decoded(tmp_path / 'out' / 'film.mkv')] == [(3, height, width)] * 3
    else:
        assert output.err.startswith('failed: ') and output.err.count('\n') == 1


@pytest.mark.parametrize('share', [0.3, 0.8])
def test_a_film_that_ends_too_early(colorize, tmp_path, capsys, share):
    film = films.make(tmp_path / 'film.mkv', 100, options={'g': '10'})
    content = film.read_bytes()
    film.write_bytes(content[: int(len(content) * share)])
    assert colorize(film) == 1
    assert 'the file ends too early: the last' in capsys.readouterr().err
    count = len(films.decoded(tmp_path / 'out' / 'film.mkv'))
    assert 10 < count < 100
    assert count >= len(films.decoded(film)) - 1


def test_damage_in_the_middle(colorize, tmp_path, capsys):
    film = films.make(tmp_path / 'film.mkv', 40, codec='mpeg4', options={'g': '5'})
    content = bytearray(film.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 300] = np.random.default_rng(1).bytes(300)
    film.write_bytes(content)
    assert colorize(film) == 1
    error = capsys.readouterr().err
    assert error.count('\n') == 1 and ('are damaged' in error or 'ends too early' in error)
    assert len(films.decoded(tmp_path / 'out' / 'film.mkv')) > 5


def test_a_film_without_end(colorize, tmp_path, monkeypatch, capsys):
    """Memory holds a few batches, whatever comes: nothing is taken that is not asked for."""
    from jaxcolor.films import source

    film = films.make(tmp_path / 'film.mp4', 4)
    taken, written = [], []
    real = source.Source.frames

    def endless(self):
        first = next(real(self))
        number = 0
        while True:
            taken.append(number)
            yield first._replace(pts=512 * number)
            number += 1

    finish = color.Segments.finish

    def full(self, progress):
        finish(self, progress)
        written.append(progress.frames)
        assert len(taken) - progress.frames <= 4 * 5
        if len(written) == 6:
            raise OSError(28, 'No space left on device')

    monkeypatch.setattr(source.Source, 'frames', endless)
    monkeypatch.setattr(color.Segments, 'finish', full)
    assert colorize(film) == 1
    assert 'No space left on device' in capsys.readouterr().err
    assert written == [8, 16, 24, 32, 40, 48]


def test_mutated_films_never_raise(colorize, tmp_path, capsys):
    film = films.make(tmp_path / 'film.mp4', 6, audio=True)
    content, rng = film.read_bytes(), np.random.default_rng(2)
    for number in range(12):
        mutated = bytearray(content)
        for place in rng.integers(0, len(content), 8):
            mutated[place] = rng.integers(256)
        film.write_bytes(mutated)
        assert colorize(film, '--overwrite') in (0, 1), number
        assert not capsys.readouterr().err.startswith('Traceback')
