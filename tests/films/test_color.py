"""`jaxcolor colorize film.mp4` as a person runs it: what is kept, what is coloured, what is gone on with."""

import io
import os
import signal
from fractions import Fraction

import numpy as np
import pytest

pytest.importorskip('av')
pytest.importorskip('cv2')

import av
from helpers import films

from jaxcolor import Colorizer
from jaxcolor.films import color, encode, segments
from jaxcolor.films.segments import Segments
from jaxcolor.films.source import Source
from jaxcolor.inference.options import Options


@pytest.fixture
def film(tmp_path):
    return films.make(tmp_path / 'film.mp4')


def planes(path):
    return np.stack([planes for _, planes in films.decoded(path)])


def test_frames_keep_their_luma_and_get_colours(colorize, film, tmp_path, capsys):
    assert colorize(film) == 0
    before, after = planes(film), planes(tmp_path / 'out' / 'film.mp4')
    assert after.shape == before.shape == (20, 3, 48, 64)
    assert np.abs(after[:, 0].astype(float) - before[:, 0]).mean() < 1.5  # twice encoded
    assert (before[:, 1:] == 128).all()
    assert np.abs(after[:, 1:].astype(float) - 128).mean() > 1  # the model has not been trained
    assert sorted(path.name for path in (tmp_path / 'out').iterdir()) == ['film.mp4']
    assert capsys.readouterr().out.startswith('1 film coloured; ')


@pytest.mark.parametrize('suffix', ['.mp4', '.mkv', '.mov', '.webm'])
def test_what_else_is_in_a_film_is_kept(colorize, tmp_path, suffix):
    turned = (0, 65536, 0, -65536, 0, 0, 0, 0, 2**30)
    options = {'display': turned} if suffix in ('.mp4', '.mov') else {}
    tick = Fraction(1, 1000) if suffix in ('.mkv', '.webm') else Fraction(1, 12800)  # Matroska has milliseconds
    pts = list(np.cumsum([0, *([40, 20, 55, 40] * 5)[:19]]) * (1 if tick.denominator == 1000 else 13))
    film = films.make(
        tmp_path / f'film{suffix}',
        codec='libvpx-vp9' if suffix == '.webm' else 'libx264',
        pts=[int(stamp) for stamp in pts],
        time_base=tick,
        audio=suffix != '.webm',
        subtitles=suffix == '.mkv',
        colorspace=1,
        color_primaries=1,
        color_trc=1,
        sample_aspect_ratio=Fraction(4, 3),
        **options,
    )
    assert colorize(film) == 0
    result = tmp_path / 'out' / film.name
    assert [time for time, _ in films.decoded(result)] == [time for time, _ in films.decoded(film)]
    for kind in ('audio', 'subtitle')[: {'.webm': 0, '.mkv': 2}.get(suffix, 1)]:
        assert films.packets(result, kind) == films.packets(film, kind) != []
    with av.open(str(film)) as before, av.open(str(result)) as after:
        assert after.metadata['title'] == before.metadata['title'] == 'A walk'
        one, other = (next(container.decode(video=0)) for container in (before, after))
        assert (one.rotation, one.colorspace, one.color_range) == (other.rotation, other.colorspace, other.color_range)
        assert one.rotation == (-90 if options else 0)
        aspects = [container.streams.video[0].sample_aspect_ratio for container in (before, after)]
        assert aspects == [Fraction(1 if suffix == '.webm' else Fraction(4, 3))] * 2  # VP9 has none
        assert [len(container.streams) for container in (before, after)].count(len(before.streams)) == 2


def test_full_range_stays_full(colorize, tmp_path):
    film = films.make(tmp_path / 'film.mp4', color_range=2)
    assert colorize(film) == 0
    with av.open(str(tmp_path / 'out' / 'film.mp4')) as result:
        assert int(next(result.decode(video=0)).color_range) == 2
    assert np.abs(planes(tmp_path / 'out' / 'film.mp4')[:, 0].astype(float) - planes(film)[:, 0]).mean() < 1.5


def test_grey_is_what_no_saturation_leaves(colorize, film, tmp_path):
    assert colorize(film, '--saturation', 0) == 0
    assert (np.abs(planes(tmp_path / 'out' / 'film.mp4')[:, 1:].astype(int) - 128) <= 1).all()


def test_a_warm_light_is_that_of_pictures(make_run, tmp_path):
    """With `Options.warmth`, films have the chroma that a picture of the same grey has."""
    film = films.make(tmp_path / 'film.mkv', 1, codec='ffv1', color_range=2)
    colorizer = Colorizer.restore(make_run())
    chromas = []
    for options in (Options(), Options(warmth=0.8)):
        color.color(colorizer, film, tmp_path / 'warm.mkv', options, most_pixels=10_000)
        ((_, shown),) = films.decoded(tmp_path / 'warm.mkv')
        grey = np.ascontiguousarray(films.luma(0))
        picture = av.VideoFrame.from_ndarray(colorizer(np.stack([grey] * 3, -1), **options._asdict()), 'rgb24')
        wanted = picture.reformat(format='yuv444p', dst_colorspace='ITU601', dst_color_range='JPEG').to_ndarray()
        chromas.append(shown[1:].mean((1, 2)))
        assert np.abs(chromas[-1] - wanted[1:].mean((1, 2))).max() < 1.5
    assert chromas[1][0] < chromas[0][0] - 3  # less blue


def test_a_turned_film_is_coloured_upright(colorize, make_run, tmp_path):
    """The network sees what people see: the chroma of the turned film is the turned chroma of the upright one."""
    clockwise = (0, 65536, 0, -65536, 0, 0, 0, 0, 2**30)  # as telephones write it
    lying = films.make(tmp_path / 'lying.mov', 1, options={'qp': '0'}, display=clockwise)
    upright = np.full((96, 48), 128, np.uint8)
    upright[:64] = np.rot90(films.luma(0), -1)
    with av.open(str(tmp_path / 'upright.mkv'), 'w') as made:
        stream = made.add_stream('ffv1', rate=25)
        stream.height, stream.width, stream.pix_fmt = 64, 48, 'yuv420p'
        made.mux(stream.encode(av.VideoFrame.from_ndarray(upright, 'yuv420p')))
        made.mux(stream.encode(None))
    assert colorize(lying, tmp_path / 'upright.mkv') == 0
    one, other = (planes(tmp_path / 'out' / name)[0] for name in ('lying.mov', 'upright.mkv'))
    difference = np.abs(np.rot90(one, -1, axes=(1, 2)).astype(int) - other)
    assert difference[1:].mean() < 0.5 < np.abs(one[1:].astype(int) - 128).mean()


@pytest.mark.parametrize(
    ('codec', 'pix_fmt', 'size'),
    [
        ('ffv1', 'gray', (48, 64)),
        ('ffv1', 'yuv422p10le', (48, 64)),
        ('ffv1', 'yuv444p', (49, 65)),
        ('mjpeg', 'yuvj420p', (48, 64)),
        ('ffv1', 'bgr0', (48, 64)),
    ],
)
def test_pixel_formats(colorize, tmp_path, codec, pix_fmt, size, capsys):
    film = films.make(tmp_path / 'film.mkv', 5, codec=codec, pix_fmt=pix_fmt, size=size)
    assert colorize(film) == 0
    with av.open(str(film)) as before, av.open(str(tmp_path / 'out' / 'film.mkv')) as after:
        pairs = list(zip(before.decode(video=0), after.decode(video=0), strict=True))
    for one, other in pairs:
        grey = [frame.reformat(format='rgb24').to_ndarray().astype(float).mean(2) for frame in (one, other)]
        height, width = size
        assert np.abs(grey[0] - grey[1][:height, :width]).mean() < 8  # colours have another mean than their luma
        assert grey[1].shape == (height + height % 2, width + width % 2)
    assert ('there twice' in capsys.readouterr().err) == (size == (49, 65))


def test_interlaced_frames_are_made_whole(colorize, tmp_path, capsys):
    film = films.make(tmp_path / 'film.mkv', 9, options={'x264-params': 'interlaced=1:tff=1'})
    with av.open(str(film)) as made:
        assert next(made.decode(video=0)).interlaced_frame
    assert colorize(film) == 0
    assert len(planes(tmp_path / 'out' / 'film.mkv')) == 9
    assert 'fields were made frames' in capsys.readouterr().err


def test_what_a_killed_run_left_is_gone_on_with(colorize, film, tmp_path, monkeypatch):
    assert colorize(film) == 0
    undisturbed = planes(tmp_path / 'out' / 'film.mp4')
    (tmp_path / 'out' / 'film.mp4').unlink()
    finish, finished = Segments.finish, []

    class KilledError(BaseException):
        pass

    def killed(self, progress):
        if len(finished) == 1:
            raise KilledError  # the segment is written, what follows after it is not
        finish(self, progress)
        finished.append(progress.frames)

    monkeypatch.setattr(Segments, 'finish', killed)
    with pytest.raises(KilledError):
        colorize(film)
    assert finished == [8] and not (tmp_path / 'out' / 'film.mp4').exists()
    monkeypatch.setattr(
        Segments, 'finish', lambda *arguments: (finished.append(arguments[1].frames), finish(*arguments))
    )
    assert colorize(film) == 0
    assert finished == [8, 16, 20]
    np.testing.assert_array_equal(planes(tmp_path / 'out' / 'film.mp4'), undisturbed)


def test_the_same_frames_are_the_same_file(film):
    """Many times, for with x264's macroblock tree 1 file in 100 was another one, by what was in memory before."""
    source, rng = Source(film), np.random.default_rng(0)
    frames = list(source.frames())[:8]
    chroma = [rng.integers(100, 150, (2, 24, 32)).astype(np.uint8) for _ in frames]
    contents = set()
    for _ in range(300):
        rest = [rng.bytes(int(size)) for size in rng.integers(1, 300_000, 10)]
        writer = encode.SegmentWriter(file := io.BytesIO(), source.film, encode.H264)
        for frame, colors in zip(frames, chroma, strict=True):
            writer.write(frame, colors)
        writer.close()
        contents.add(file.getvalue())
        del rest
    source.close()
    assert len(contents) == 1


def test_a_signal_ends_it_between_batches(colorize, film, tmp_path, monkeypatch, capsys):
    assert colorize(film) == 0
    undisturbed = planes(tmp_path / 'out' / 'film.mp4')
    (tmp_path / 'out' / 'film.mp4').unlink()
    finish = Segments.finish

    def signalled(self, progress):
        finish(self, progress)
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(Segments, 'finish', signalled)
    assert colorize(film) == 128 + signal.SIGINT
    assert 'of film.mp4, 8 frames are kept; run the same line again' in capsys.readouterr().err
    assert [path.name for path in (tmp_path / 'out').iterdir()] == ['film.mp4.segments']
    monkeypatch.setattr(Segments, 'finish', finish)
    assert colorize(film) == 0
    np.testing.assert_array_equal(planes(tmp_path / 'out' / 'film.mp4'), undisturbed)


def test_other_settings_begin_anew(colorize, film, tmp_path, monkeypatch):
    assert colorize(film, '--saturation', 0.5) == 0
    undisturbed = planes(tmp_path / 'out' / 'film.mp4')
    finish, finished = Segments.finish, []

    def once(self, progress):
        finish(self, progress)
        finished.append(progress.frames)
        if finished == [8]:
            raise KeyboardInterrupt

    monkeypatch.setattr(Segments, 'finish', once)
    assert colorize(film, '--overwrite') == 130
    assert colorize(film, '--overwrite', '--saturation', 0.5) == 0
    assert finished == [8, 8, 16, 20]
    np.testing.assert_array_equal(planes(tmp_path / 'out' / 'film.mp4'), undisturbed)


def test_what_is_there_is_skipped(colorize, film, tmp_path, capsys):
    assert colorize(film) == 0
    result = tmp_path / 'out' / 'film.mp4'
    before = result.stat().st_mtime_ns
    assert colorize(film) == 0
    assert result.stat().st_mtime_ns == before
    assert '1 skipped' in capsys.readouterr().out
    assert colorize(film, '--overwrite') == 0
    assert result.stat().st_mtime_ns > before


def test_a_whole_segment_is_some_ten_seconds():
    assert 250 <= segments.FRAMES <= 300 and segments.FRAMES % 16 == 0
