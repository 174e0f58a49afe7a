"""Colour hints over HTTP: what is sent reaches the model at its place, and nothing else does."""

import io
import json
import threading

import httpx
import numpy as np
import pytest
from helpers.hinted_palette import obedient_palette
from helpers.serving import serve_app
from PIL import Image
from skimage.color import rgb2lab

from jaxcolor.server.app import create_app
from jaxcolor.server.models import ServedModel
from jaxcolor.server.settings import Settings

GREY = Image.fromarray(np.linspace(60, 200, 16 * 24, dtype=np.uint8).reshape(16, 24))
BLUE = '#2040c0'


def _file(image: Image.Image = GREY, **fields: object) -> bytes:
    file = io.BytesIO()
    image.save(file, 'PNG', **fields)
    return file.getvalue()


def _post(url: str, route: str, content: bytes | None = None, **fields: object) -> httpx.Response:
    data = {name: value if isinstance(value, str) else json.dumps(value) for name, value in fields.items()}
    return httpx.post(f'{url}/v1/{route}', files={'image': ('a.png', content or _file())}, data=data, timeout=60)


def _chroma(answer: httpx.Response) -> np.ndarray:
    assert answer.status_code == 200, answer.text
    return rgb2lab(np.asarray(Image.open(io.BytesIO(answer.content)).convert('RGB')))[..., 1:]


def test_is_what_the_colorizer_says(hinted):
    colorizer, url = hinted
    hints = [[2, 3, BLUE], [17.5, 9, '#C04020']]
    answer = _post(url, 'colorize', hints=hints, warmth=0.5, saturation=0.8)
    wanted = np.asarray(colorizer(GREY, hints=hints, warmth=0.5, saturation=0.8))
    result = np.asarray(Image.open(io.BytesIO(answer.content)))
    np.testing.assert_allclose(result.astype(int), wanted, atol=1)
    assert not np.array_equal(wanted, np.asarray(colorizer(GREY, warmth=0.5, saturation=0.8)))
    none = _post(url, 'colorize', hints=[])
    assert none.content == _post(url, 'colorize').content


def test_places_are_those_of_the_upright_picture(hinted):
    """A picture on its side, as cameras store them: its hint is where people see it."""
    _, url = hinted
    exif = Image.Exif()
    exif[0x0112] = 6  # turned to the right to be seen: 16 x 24 pixels
    content = _file(GREY, exif=exif)
    chroma = _chroma(_post(url, 'colorize', content, hints=[[1, 22, BLUE], [14, 2, '#c04020']]))
    assert chroma.shape == (24, 16, 2)
    assert chroma[22, 1, 1] < -30 < 20 < chroma[2, 14, 1]
    assert _post(url, 'colors', content, x=15, y=23).status_code == 200
    refused = _post(url, 'colors', content, x=23, y=15)
    assert (refused.status_code, refused.json()['detail'][:9]) == (422, 'hints[0]=')


def test_likely_colours(hinted):
    colorizer, url = hinted
    answer = _post(url, 'colors', x=3, y=4)
    assert answer.headers['cache-control'] == 'no-store'
    colors = answer.json()['colors']
    assert [(one['color'], one['share']) for one in colors] == [
        (color, pytest.approx(share, abs=1e-4)) for color, share in colorizer.likely_colors(GREY, 3, 4)
    ]
    assert 2 <= len(colors) <= 8
    assert sum(one['share'] for one in colors) <= 1.0001
    other = _post(url, 'colors', x=3, y=4, hints=[[20, 10, BLUE]]).json()['colors']
    assert other[0]['color'] != colors[0]['color']
    red, _, blue = bytes.fromhex(other[0]['color'][1:])
    assert blue > red  # what is near a hint is likely of its colour


@pytest.mark.parametrize(
    ('hints', 'reason'),
    [
        ('[[1, 2', "hints='[[1, 2' is no JSON; use [[x, y, "),
        ('[' * 60_000, "hints='[[["),
        ('[[1e999, 2, "#102030"]]', 'hints[0]=[inf, 2, '),
        ('[[NaN, 2, "#102030"]]', 'hints[0]=[nan, 2, '),
        ('{"a.png": []}', "hints={'a.png': []} is no list"),
        ('[[1, 2, "red"]]', "hints[0]=[1, 2, 'red'] has no colour"),
        ('[[24, 2, "#102030"]]', "hints[0]=[24.0, 2.0, '#102030'] is outside the picture of 24 x 16 pixels"),
        ('[[-1, 2, "#102030"]]', 'hints[0]=[-1.0, 2.0, '),
        (json.dumps([[1, 2, '#102030']] * 1001), 'hints=1,001 points are too many; use 1,000 or fewer'),
        (json.dumps([[1, 2, '#102030']] * 10_000), "the field 'hints' is longer than 65536 bytes"),
    ],
)
def test_refuses_wrong_hints_in_one_line(hinted, hints, reason):
    _, url = hinted
    for route, place in (('colorize', {}), ('colors', {'x': 1, 'y': 1})):
        answer = _post(url, route, hints=hints, **place)
        assert answer.status_code == 422, answer.text
        detail = answer.json()['detail']
        assert detail.startswith(reason)
        assert '\n' not in detail
        assert len(detail) < 400


def test_as_many_as_are_taken_fit_into_the_form(hinted):
    """With all digits that a browser writes."""
    _, url = hinted
    hints = [[0.1234567890123456 + i % 23, 15.123456789012345, '#a0b0c0'] for i in range(1000)]
    assert _post(url, 'colorize', hints=hints).status_code == 200


@pytest.mark.parametrize(
    ('place', 'reason'),
    [
        ({'x': 1}, "the form has no field 'y'; send it, in pixels of the upright picture"),
        ({'x': 1, 'y': 'nan'}, "y: 'nan' should be a finite number"),
        ({'x': -1, 'y': 1}, "x: '-1' should be greater than or equal to 0"),
        ({'x': 1, 'y': 16}, 'hints[0]='),
        ({'x': 1, 'y': 1, 'saturation': 1}, "'saturation' is not an option; the options are model, hints, x, y"),
    ],
)
def test_refuses_wrong_places(hinted, place, reason):
    answer = _post(hinted[1], 'colors', **place)
    assert (answer.status_code, answer.json()['detail'][: len(reason)]) == (422, reason)


def test_a_model_without_hints_says_so(server, picture):
    answer = _post(server.url, 'colors', picture(), x=1, y=1)
    assert answer.status_code == 422
    assert 'only palettes whose generator takes hints say how likely colours are' in answer.json()['detail']
    assert httpx.get(f'{server.url}/v1/model').json()['takes_hints'] is False


def test_model_tells_hints_and_variants(hinted):
    model = httpx.get(f'{hinted[1]}/v1/model').json()
    assert model['takes_hints'] is True
    assert {'default', 'vivid', 'warm'} <= set(model['variants'])
    for options in model['variants'].values():
        assert _post(hinted[1], 'colorize', **options).status_code == 200


def test_the_rules_of_access_and_of_the_queue_hold_for_colours_too(monkeypatch):
    """A token, so many of a client, so many places, and nothing of a request that is turned away is read."""
    app = create_app([ServedModel(obedient_palette())], Settings(queue=1, token='secret', per_client=3))
    with serve_app(app) as (_, url):
        while httpx.get(f'{url}/readyz').status_code != 200:
            pass
        assert _post(url, 'colors', x=1, y=1).status_code == 401
        worker, held, entered = app.state.handlers.worker, threading.Event(), threading.Event()
        look = worker._look

        def slow(*arguments):
            entered.set()
            held.wait()
            return look(*arguments)

        monkeypatch.setattr(worker, '_look', slow)
        headers = {'Authorization': 'Bearer secret'}
        fields = {'files': {'image': _file()}, 'data': {'x': '1', 'y': '1'}, 'headers': headers, 'timeout': 60}
        answers = []
        client = threading.Thread(target=lambda: answers.append(httpx.post(f'{url}/v1/colors', **fields)))
        client.start()
        entered.wait()
        for route in ('colors', 'colorize'):
            busy = httpx.post(f'{url}/v1/{route}', **fields)
            assert (busy.status_code, busy.json()['detail']) == (503, 'the server is busy; try again soon')
            assert int(busy.headers['retry-after']) >= 1
        held.set()
        client.join()
        assert [answer.status_code for answer in answers] == [200]
        assert not any(app.state.handlers.worker._pixels.values())
        assert app.state.handlers._memory.held == 0
        assert app.state.handlers.active == 0
