"""Films by the API: taken, coloured between pictures, fetched once; refused in a line, and nothing left on the disk."""

import contextlib
import errno
import sys
import tempfile
import time

import httpx
import numpy as np
import pytest

pytest.importorskip('av')
pytest.importorskip('cv2')
from helpers import films
from helpers.serving import serve_app

from jaxcolor import cli
from jaxcolor.films import color
from jaxcolor.imaging.photos import Limits
from jaxcolor.inference.options import Options
from jaxcolor.server import film_handlers, uploads
from jaxcolor.server import films as server_films
from jaxcolor.server.app import create_app
from jaxcolor.server.batching import Batcher, _Job
from jaxcolor.server.errors import ClientLimitError, UnavailableError
from jaxcolor.server.metrics import Metrics
from jaxcolor.server.models import ServedModel
from jaxcolor.server.settings import Settings

HTTP = httpx.Client(timeout=60)  # a new one for each request would take longer than what it asks for
LIMITS = Settings(film_seconds=2, film_bytes=2**20, photo=Limits(bytes=2**20, pixels=10_000), batch_size=1)


@contextlib.contextmanager
def serving(colorizer, settings=LIMITS):
    """Yields the address of a server, whose temporary files are looked at once it has ended."""
    with serve_app(create_app([ServedModel(colorizer, 'small')], settings)) as (_, url):
        while HTTP.get(f'{url}/readyz').status_code != 200:
            time.sleep(0.02)
        yield url


@pytest.fixture(scope='module')
def temporary(tmp_path_factory):
    """Where this process's temporary files go."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp('temporary')
        patch.setattr(tempfile, 'tempdir', str(folder))
        yield folder
    assert not list(folder.iterdir())  # every server of these tests has ended


@pytest.fixture(scope='module')
def url(colorizer, temporary):
    with serving(colorizer) as url:
        yield url


@pytest.fixture
def film(tmp_path):
    return films.make(tmp_path / 'walk.mp4', 20, audio=True)


def send(url, path, **fields):
    return HTTP.post(f'{url}/v1/films', files={'film': (path.name, path.read_bytes())}, data=fields, timeout=60)


def wait(url, name, *states):
    while (answer := HTTP.get(f'{url}/v1/films/{name}').json())['state'] not in states:
        assert answer['state'] in ('waiting', 'working'), answer
        time.sleep(0.05)
    return answer


def files(temporary):
    return [path for path in temporary.rglob('*') if path.is_file()]


def test_a_film_goes_in_and_comes_out_as_the_command_colours_it(colorizer, url, film, temporary, tmp_path):
    answer = send(url, film, saturation=1.5)
    assert answer.status_code == 202
    state = answer.json()
    assert answer.headers['location'] == f'/v1/films/{state["id"]}'
    assert (state['name'], state['model'], state['before']) == ('walk.mp4', 'small', 0)
    assert all(folder.stat().st_mode & 0o77 == 0 for folder in temporary.iterdir())
    state = wait(url, state['id'], 'done')
    assert (state['frames'], state['of'], state['progress'], state['notes']) == (20, 20, 1.0, [])
    sent = HTTP.get(f'{url}/v1/films/{state["id"]}/result')
    assert (sent.status_code, sent.headers['content-type']) == (200, 'video/mp4')
    assert 'filename="walk-colour.mp4"' in sent.headers['content-disposition']
    assert sent.headers['cache-control'] == 'no-store'
    result, wanted = tmp_path / 'result.mp4', tmp_path / 'wanted.mp4'
    result.write_bytes(sent.content)
    color.color(colorizer, film, wanted, Options(saturation=1.5), most_pixels=10_000, batch=4)
    assert [at for at, _ in films.decoded(result)] == [at for at, _ in films.decoded(wanted)]
    for (_, one), (_, other) in zip(films.decoded(result), films.decoded(wanted), strict=True):
        np.testing.assert_array_equal(one, other)
    assert films.packets(result, 'audio') == films.packets(wanted, 'audio')
    again = HTTP.get(f'{url}/v1/films/{state["id"]}/result')
    assert again.status_code == 404 and again.json()['detail'].startswith('there is no such film: it was fetched')
    assert not files(temporary)
    metrics = HTTP.get(f'{url}/metrics').text
    assert 'jaxcolor_frames_total 20.0' in metrics and 'jaxcolor_films 0.0' in metrics
    assert 'route="/v1/films/{film}/result",status="200"' in metrics


def endless(path):
    """A stream that does not say how long it is."""
    return films.make(path.with_suffix('.h264'), 140)


def cut_short(path):
    films.make(path)
    path.write_bytes(path.read_bytes()[:-400])
    return path


def written(content):
    def make(path):
        path.write_bytes(content)
        return path

    return make


@pytest.mark.parametrize(
    ('make', 'status', 'detail'),
    [
        (lambda path: films.make(path, 75), 413, 'film.mp4: it has 3 s, more than the 2 s of a film that this server'),
        (
            lambda path: films.make(path, 125, pts=[100 * number for number in range(125)]),
            413,
            'film.mp4: it has more than 120 frames, the most of a film that this server takes (60 a second)',
        ),
        (lambda path: films.make(path, 3, size=(112, 112)), 413, 'film.mp4: its frames have 112 x 112 pixels; use at'),
        (written(bytes(2**20 + 1)), 413, 'the film is larger than 1 MiB, the most that this server takes'),
        (written(b''), 422, 'film.mp4: it can not be read as a film'),
        (written(np.random.default_rng(0).bytes(100_000)), 422, 'film.mp4: it can not be read as a film'),
        (cut_short, 422, 'film.mp4: it can not be read as a film'),
        (lambda path: films.make(path, 3, color_trc=16, colorspace=9), 422, 'film.mp4: its brightness is PQ (HDR)'),
    ],
    ids=['long', 'fast', 'huge', 'bytes', 'empty', 'noise', 'cut', 'hdr'],
)
def test_is_refused_by_its_header_in_a_line(url, temporary, tmp_path, make, status, detail):
    answer = send(url, make(tmp_path / 'film.mp4'))
    assert answer.status_code == status, answer.text
    assert answer.json()['detail'].startswith(detail) and '\n' not in answer.json()['detail']
    assert not files(temporary)
    assert 'jaxcolor_films 0.0' in HTTP.get(f'{url}/metrics').text


def test_one_that_does_not_say_how_long_it_is_ends_at_the_limit(url, temporary, tmp_path):
    state = send(url, endless(tmp_path / 'film')).json()
    state = wait(url, state['id'], 'failed')
    assert state['detail'] in (
        'film.h264: it goes on after the 2 s of a film that this server takes',
        'film.h264: it has more than 120 frames, the most of a film that this server takes (60 a second)',
    )
    assert state['frames'] <= 124
    assert HTTP.get(f'{url}/v1/films/{state["id"]}/result').status_code == 409
    assert not files(temporary)


@pytest.mark.parametrize(
    ('fields', 'detail'),
    [
        ({'model': 'best'}, "model='best' is not here; use small"),
        ({'hints': '[]'}, "'hints' is not an option; the options are model, saturation"),
        ({'vividness': '0.5'}, 'vividness=0.5'),
        ({'saturation': '9'}, "saturation: '9' should be less than or equal to 4"),
    ],
)
def test_options_are_looked_at_before_any_work(url, film, temporary, fields, detail):
    answer = send(url, film, **fields)
    assert answer.status_code == 422 and answer.json()['detail'].startswith(detail)
    assert not files(temporary)


def test_a_form_without_a_film(url, film):
    answer = HTTP.post(f'{url}/v1/films', files={'image': (film.name, film.read_bytes())})
    assert answer.status_code == 422
    assert answer.json() == {'detail': "the file is in the field 'image' of the form; name the field 'film'"}


def test_a_film_among_pictures(colorizer, url, film):
    """It is named as what it is, with what there is for it."""
    without = film_handlers.NO_FILMS
    assert '--film-seconds' in without
    with serving(colorizer, Settings(batch_size=1)) as other:
        for address, where in ((url, '/v1/films takes films'), (other, without)):
            answer = HTTP.post(f'{address}/v1/colorize', files={'image': (film.name, film.read_bytes())})
            detail = f'this is no picture, and by its name a film; {where}'
            assert (answer.status_code, answer.json()) == (415, {'detail': detail})
        answer = send(other, film)
        assert (answer.status_code, answer.json()) == (415, {'detail': without})
        assert HTTP.get(f'{other}/v1/films/x').status_code == 404
        assert HTTP.get(f'{other}/v1/model').json()['limits']['films'] is None
    assert HTTP.get(f'{url}/v1/model').json()['limits']['films'] == {'bytes': 2**20, 'seconds': 2}


def test_cancelled_in_the_middle_and_in_the_queue(url, temporary, tmp_path, slow):
    long = films.make(tmp_path / 'long.mp4', 50)
    first, second = send(url, long).json(), send(url, long).json()
    assert second['before'] == 1
    refused = send(url, long)
    assert refused.status_code == 429 and refused.headers['retry-after']
    while not HTTP.get(f'{url}/v1/films/{first["id"]}').json()['frames']:
        time.sleep(0.02)
    state = HTTP.get(f'{url}/v1/films/{first["id"]}').json()
    assert state['state'] == 'working' and state['seconds_left'] >= 0 and 0 < state['progress'] < 1
    assert HTTP.get(f'{url}/v1/films/{first["id"]}/result').status_code == 409
    for one in (second, first):
        assert HTTP.delete(f'{url}/v1/films/{one["id"]}').status_code == 204
        assert HTTP.get(f'{url}/v1/films/{one["id"]}').status_code == 404
    while files(temporary):
        time.sleep(0.02)
    assert 'jaxcolor_films 0.0' in HTTP.get(f'{url}/metrics').text


def test_pictures_are_answered_meanwhile(url, tmp_path, picture, slow):
    state = send(url, films.make(tmp_path / 'long.mp4', 50)).json()
    for _ in range(3):
        answer = HTTP.post(f'{url}/v1/colorize', files={'image': picture()}, timeout=60)
        assert answer.status_code == 200
    assert HTTP.get(f'{url}/v1/films/{state["id"]}').json()['state'] in ('waiting', 'working')
    HTTP.delete(f'{url}/v1/films/{state["id"]}')


def test_a_film_has_a_fifth_of_the_time_and_comes_last(colorizer):
    batcher = Batcher([colorizer], 1, Metrics())
    try:
        steps = np.broadcast_to(np.uint8(0), (10, 10, 1))
        small = _Job(colorizer, steps, Options(), [], [], lambda: 1)
        of_film = _Job(colorizer, steps, Options(), [], [], lambda: 1, of_film=True)
        spent = {False: 0.0, True: 0.0}
        here = True
        for _ in range(5000):
            jobs = [small, of_film] if here else [small]
            (job,) = batcher._choose(jobs)
            seconds = 0.05 if job.of_film else 0.002
            batcher._charge(job.rank, seconds)
            spent[job.of_film] += seconds
            here = not job.of_film  # between two of its steps it is not here
        assert spent[True] / sum(spent.values()) == pytest.approx(0.2, abs=0.03)
        assert batcher._choose([of_film]) == [of_film]  # alone, at once
    finally:
        assert batcher.close(60.0)


def test_nobody_asks_and_nobody_fetches(colorizer, temporary, film, monkeypatch, slow):
    monkeypatch.setattr(film_handlers, '_TIDY_SECONDS', 0.05)
    monkeypatch.setattr(server_films, 'ABANDONED', 0.2)
    monkeypatch.setattr(server_films, 'KEPT', 1.0)
    before = set(temporary.iterdir())

    def left():
        return [path for folder in set(temporary.iterdir()) - before for path in folder.rglob('*') if path.is_file()]

    with serving(colorizer) as url:
        gone = send(url, film).json()['id']
        while left():
            time.sleep(0.02)
        assert HTTP.get(f'{url}/v1/films/{gone}').status_code == 404
        kept = send(url, film).json()['id']
        wait(url, kept, 'done')
        assert left()
        while left():
            time.sleep(0.02)
        assert HTTP.get(f'{url}/v1/films/{kept}/result').status_code == 404
        send(url, film)  # which the end of the server ends
    assert set(temporary.iterdir()) == before


def test_places(colorizer, temporary):
    app = create_app([ServedModel(colorizer, 'small')], LIMITS)
    jobs = server_films.Films(app.state.handlers.worker, LIMITS, Metrics())
    try:
        with contextlib.ExitStack() as stack:
            folders = [stack.enter_context(jobs.place(client)) for client in 'aabb']
            assert all(folder.is_dir() for folder in folders)
            with pytest.raises(UnavailableError, match='as many films as it can colour'), jobs.place('c'):
                pass
            with pytest.raises(ClientLimitError, match='more than 2 films of one client'), jobs.place('a'):
                pass
        assert not any(folder.exists() for folder in folders)
        with jobs.place('c'):
            pass
    finally:
        jobs.stop()
        assert jobs.close(10.0)
        assert app.state.handlers.worker.close(60.0)


def test_a_full_disk(url, film, temporary, monkeypatch):
    async def full(request, most, file):
        raise OSError(errno.ENOSPC, 'No space left on device')

    monkeypatch.setattr(uploads, 'read_film', full)
    answer = send(url, film)
    assert (answer.status_code, answer.headers['retry-after']) == (503, '30')
    assert answer.json()['detail'] == 'the server has no room for films (No space left on device); try again later'
    monkeypatch.undo()
    monkeypatch.setattr(color.Segments, 'finish', lambda *_: (_ for _ in ()).throw(OSError(28, 'No space')))
    state = wait(url, send(url, film).json()['id'], 'failed')
    assert state['detail'].startswith('the server has no room for it; the log tells more of error')
    assert str(temporary) not in state['detail']
    assert not files(temporary)


def test_wants_the_token(colorizer, film, temporary):
    with serving(colorizer, Settings(film_seconds=2, token='secret', batch_size=1)) as url:
        assert send(url, film).status_code == 401
        for path in ('v1/films/x', 'v1/films/x/result', 'v1/models'):
            assert HTTP.get(f'{url}/{path}').status_code == 401
        assert HTTP.delete(f'{url}/v1/films/x').status_code == 401


def test_says_what_to_install(monkeypatch, capsys):
    for name in list(sys.modules):
        if name.startswith(('jaxcolor.films.', 'jaxcolor.server.films', 'av.')) or name == 'av':
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr('jaxcolor.server.films', raising=False)
    monkeypatch.setitem(sys.modules, 'av', None)
    assert cli.main(['serve', '--model=nowhere', '--film-seconds=60']) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith('error: --film-seconds=60 needs av, which is not installed for Python 3.')
    assert line.endswith("; pip install 'jaxcolor[video]'")
