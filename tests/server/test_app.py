"""Every endpoint, every format and every refusal, over HTTP."""

import io
import json
import re
import socket
import threading
from pathlib import Path

import httpx
import numpy as np
import pytest
from helpers.hostile import hostile_files
from PIL import Image

from jaxcolor.server import openapi
from jaxcolor.server.schemas import ColorizeOptions, ColorsOptions


def _detail(answer: httpx.Response) -> str:
    assert answer.headers['content-type'] == 'application/json'
    detail = answer.json()['detail']
    assert '\n' not in detail
    return detail


def _status(connection: socket.socket) -> int:
    """Reads an answer to the end of its head."""
    answer = b''
    while b'\r\n\r\n' not in answer and (chunk := connection.recv(4096)):
        answer += chunk
    return int(answer.split(b' ')[1])


@pytest.mark.parametrize('kind', ['PNG', 'JPEG', 'WEBP'])
def test_answers_in_the_format_of_the_picture(server, picture, kind):
    answer = server.post(picture(kind), f'Großmutter "1936".{kind.lower()}')
    assert answer.status_code == 200, answer.text
    assert answer.headers['content-type'] == f'image/{kind.lower()}'
    assert answer.headers['cache-control'] == 'no-store'
    disposition = answer.headers['content-disposition']
    assert disposition.startswith('attachment; filename="Gro_mutter _1936_-colour.')
    assert "filename*=UTF-8''Gro%C3%9Fmutter%20%221936%22-colour." in disposition
    stages = re.findall(r'(\w+);dur=[\d.]+', answer.headers['server-timing'])
    assert stages == ['upload', 'decode', 'model', 'encode']
    image = Image.open(io.BytesIO(answer.content))
    assert (image.format, image.mode, image.size) == (kind, 'RGB', (40, 30))


def test_is_what_the_colorizer_says(server, picture, colorizer):
    answer = server.post(picture('BMP'), saturation=1.5, flip_average='true')
    assert answer.headers['content-type'] == 'image/png'
    grey = np.asarray(Image.open(io.BytesIO(picture('BMP'))))
    wanted = colorizer(grey, saturation=1.5, flip_average=True)
    difference = np.asarray(Image.open(io.BytesIO(answer.content))).astype(int) - wanted
    assert np.abs(difference).max() <= 1


@pytest.mark.parametrize('kind', ['TIFF', 'GIF', 'WEBP'])
def test_says_which_pictures_of_a_file_are_left_out(server, picture, colorizer, kind):
    frames = [Image.open(io.BytesIO(picture())).rotate(angle) for angle in (0, 90, 180)]
    file = io.BytesIO()
    frames[0].save(file, kind, save_all=True, append_images=frames[1:], **{'lossless': True} if kind == 'WEBP' else {})
    answer = server.post(file.getvalue(), format='png')
    assert answer.headers['pictures-left-out'] == '2'
    result = np.asarray(Image.open(io.BytesIO(answer.content)).convert('RGB'))
    difference = result.astype(int) - np.asarray(colorizer(frames[0]))
    assert np.abs(difference).max() <= 1
    documented = openapi.responses('/v1/colorize')[200]['headers']['Pictures-Left-Out']
    assert documented['schema']['type'] == 'integer'
    assert 'pictures-left-out' not in server.post(picture()).headers


def test_takes_options_from_the_query_too(server, picture):
    files = {'image': picture()}
    answer = httpx.post(f'{server.url}/v1/colorize?format=webp&saturation=0', files=files)
    assert answer.headers['content-type'] == 'image/webp'
    assert answer.headers['content-disposition'].startswith('attachment; filename="upload-colour.webp"')
    pixels = np.asarray(Image.open(io.BytesIO(answer.content)).convert('RGB')).astype(int)
    assert np.ptp(pixels, axis=-1).max() <= 3  # grey, but for WebP's own chroma


@pytest.mark.parametrize(
    ('options', 'reason'),
    [
        ({'saturation': 'nan'}, "saturation: 'nan' should be a finite number"),
        ({'saturation': 'x' * 900}, f"saturation: '{'x' * 40}' should be a valid number"),
        ({'saturation': 5}, "saturation: '5' should be less than or equal to 4"),
        ({'format': 'gif'}, "format: 'gif' should be 'png', 'jpeg' or 'webp'"),
        ({'vividness': 0.5}, "vividness=0.5: only palettes have one, the space is 'lab'"),
        ({'temperature': 0.5}, "temperature=0.5: only palettes have one, the space is 'lab'"),
        ({'colour': 'yes'}, "'colour' is not an option; the options are model, hints, saturation"),
        ({'warmth': -2}, "warmth: '-2' should be greater than or equal to -1"),
        ({'hints': '[[1, 2, "#102030"]]'}, 'hints: generator.name=unet takes none; leave them out'),
        ({'seed': 'x' * 2000}, "the field 'seed' is longer than 1024 bytes"),
    ],
)
def test_refuses_wrong_options(server, picture, options, reason):
    answer = server.post(picture(), **options)
    assert answer.status_code == 422
    assert _detail(answer).startswith(reason)


@pytest.mark.parametrize(
    ('content', 'status', 'reason'),
    [
        (b'', 422, 'the file is empty'),
        (b'not at all', 415, 'not a JPEG'),
        (b'\xff\xd8\xff\xe0' + bytes(100), 422, 'damaged'),
    ],
)
def test_refuses_what_is_no_picture(server, content, status, reason):
    answer = server.post(content)
    assert answer.status_code == status, answer.text
    assert _detail(answer).startswith(reason)


def test_refuses_what_is_too_large(server, picture):
    answer = server.post(picture('PNG', 4000, 3000))
    assert answer.status_code == 413
    assert _detail(answer).startswith('4000 x 3000 pixels are more than the limit of 8,000,000')
    answer = server.post(picture('PNG', 70_000, 2))
    assert answer.status_code == 413
    assert _detail(answer).startswith('70000 x 2 pixels are more than 65,535 pixels a side')
    answer = server.post(bytes(8 * 2**20 + 1))  # within what a form may have beside the picture
    assert (answer.status_code, _detail(answer)) == (
        413,
        'the picture is larger than 8 MiB, the most that this server takes',
    )
    announced = 'POST /v1/colorize HTTP/1.1\nHost: x\nContent-Type: multipart/form-data; boundary=b\n'
    with server.connect(announced + 'Content-Length: 99999999999') as connection:
        assert _status(connection) == 413  # before anything of it is there
    endless = 'Transfer-Encoding: chunked'
    with server.connect(announced + endless) as connection:
        part = b'--b\r\nContent-Disposition: form-data; name="image"\r\n\r\n'
        chunk = bytes(2**20)
        connection.sendall(b'%x\r\n%b\r\n' % (len(part), part))
        for _ in range(10):
            connection.sendall(b'%x\r\n%b\r\n' % (len(chunk), chunk))
        assert _status(connection) == 413


def _form(*parts: bytes, end: bytes = b'--b--\r\n') -> bytes:
    return b''.join(b'--b\r\n%b\r\n' % part for part in parts) + end


_MULTIPART = 'multipart/form-data; boundary=b'
_IMAGE = b'Content-Disposition: form-data; name="image"; filename="a"\r\n\r\nx'


@pytest.mark.parametrize(
    ('kind', 'body', 'status', 'reason'),
    [
        ('application/json', b'{}', 415, 'send a form'),
        ('multipart/form-data', b'', 400, 'the Content-Type of the form has no usable boundary'),
        (_MULTIPART, b'nonsense', 400, 'the form is not well-formed'),
        (_MULTIPART, _form(_IMAGE, end=b''), 400, 'the form ends before its last boundary'),
        (_MULTIPART, b'', 400, 'the form ends before its last boundary'),
        (_MULTIPART, _form(_IMAGE.replace(b'image', b'file')), 422, "the file is in the field 'file' of"),
        (_MULTIPART, _form(_IMAGE, _IMAGE), 422, "the form has more than one field 'image'"),
        (_MULTIPART, _form(*[_IMAGE.replace(b'image', b'%d' % i) for i in range(20)]), 400, 'the form has more'),
        (_MULTIPART, _form(b'A: ' + bytes(9000)), 400, 'the form is not well-formed'),
        (_MULTIPART, _form(b'no header\r\n\r\nx'), 400, 'the form is not well-formed'),
    ],
)
def test_refuses_broken_forms(server, kind, body, status, reason):
    answer = httpx.post(f'{server.url}/v1/colorize', content=body, headers={'Content-Type': kind})
    assert answer.status_code == status, answer.text
    assert _detail(answer).startswith(reason)


def test_refuses_compressed_bodies(server):
    headers = {'Content-Type': 'multipart/form-data; boundary=b', 'Content-Encoding': 'gzip'}
    answer = httpx.post(f'{server.url}/v1/colorize', content=_form(_IMAGE), headers=headers)
    assert answer.status_code == 415


def test_cuts_off_a_slow_client(server, picture):
    """It has no place in the queue meanwhile, and others are served."""
    head = 'POST /v1/colorize HTTP/1.1\nHost: x\nContent-Type: multipart/form-data; boundary=b\nContent-Length: 5000'
    with server.connect(head, _form(_IMAGE, end=b'')) as connection:
        assert server.metric('jaxcolor_in_progress') == 0
        assert server.post(picture()).status_code == 200
        with connection.makefile('rb') as answer:
            text = answer.read()  # up to the end of the connection
    assert text.startswith(b'HTTP/1.1 408')
    assert text.endswith(b'{"detail":"the picture did not arrive within 2 s"}')


def test_turns_away_when_every_place_is_taken(server, picture):
    large = picture('PNG', 2000, 1500)
    answers: list[httpx.Response] = []
    clients = [threading.Thread(target=lambda: answers.append(server.post(large))) for _ in range(3)]
    for client in clients:
        client.start()
    server.wait_for(lambda: server.metric('jaxcolor_in_progress') == 3)
    head = 'POST /v1/colorize HTTP/1.1\nHost: x\nContent-Type: multipart/form-data; boundary=b\nContent-Length: 5000'
    with server.connect(head) as connection:  # sends nothing of its picture
        answer = connection.recv(4096).decode().lower()
    assert answer.startswith('http/1.1 503')
    assert int(re.search(r'retry-after: (\d+)', answer)[1]) >= 1
    for client in clients:
        client.join()
    assert [answer.status_code for answer in answers] == [200] * 3
    server.wait_for(lambda: server.metric('jaxcolor_in_progress') == 0)


def test_a_client_that_leaves_frees_its_place(server, picture):
    body = _form(_IMAGE[:-1] + picture('PNG', 2000, 1500))
    head = 'POST /v1/colorize HTTP/1.1\nHost: x\nContent-Type: multipart/form-data; boundary=b\n'
    for _ in range(5):  # more than there are places
        server.wait_for(lambda: server.metric('jaxcolor_in_progress') < 3)
        server.connect(f'{head}Content-Length: {len(body)}', body).close()
    server.wait_for(lambda: server.metric('jaxcolor_in_progress') == 0)
    assert server.post(picture()).status_code == 200


def test_hostile_files(server, tmp_path):
    statuses = {}
    files = [path for number, path in enumerate(hostile_files(tmp_path)) if number % 5 < 3]
    assert len(files) >= 300
    with httpx.Client(timeout=60) as client:
        for path in files:
            answer = client.post(f'{server.url}/v1/colorize', files={'image': (path.name, path.read_bytes())})
            statuses[path.name] = answer.status_code
            if answer.status_code == 200:
                Image.open(io.BytesIO(answer.content)).load()
            else:
                assert answer.status_code in (413, 415, 422), (path.name, answer.text)
                assert _detail(answer)
    assert len(set(statuses.values())) > 1
    assert httpx.get(f'{server.url}/healthz').json() == {'status': 'ok'}


def test_keeps_names_and_pictures_out_of_the_log(server, picture):
    server.post(picture(), 'grandmother.png')
    httpx.get(f'{server.url}/grandmother')
    httpx.post(f'{server.url}/v1/colorize?grandmother=1', files={'image': ('grandmother.png', b'grandmother')})
    server.wait_for(lambda: 'POST /v1/colorize 422' in server.lines[-1])
    assert not [line for line in server.lines if 'grandmother' in line]
    assert not [line for line in server.lines if 'Traceback' in line]


def test_model_and_limits(server, colorizer):
    answer = httpx.get(f'{server.url}/v1/model').json()
    limits = answer.pop('limits')
    assert limits == {'bytes': 8 * 2**20, 'pixels': 8_000_000, 'films': None}
    assert list(answer.pop('variants')) == ['default', 'vivid', 'warm', 'cool']  # others are of palettes
    assert answer == {**colorizer.describe(), 'card': None, 'name': answer['name']}
    assert re.fullmatch('[A-Za-z0-9._-]+', answer['name'])
    (only,) = httpx.get(f'{server.url}/v1/models').json()['models']
    assert only['name'] == answer['name']


def test_counts(server, picture):
    before = server.metric('jaxcolor_requests_total{route="/v1/colorize",status="200"}')
    pixels = server.metric('jaxcolor_pixels_total')
    server.post(picture())
    assert server.metric('jaxcolor_requests_total{route="/v1/colorize",status="200"}') == before + 1
    assert server.metric('jaxcolor_pixels_total') == pixels + 40 * 30
    assert server.metric('jaxcolor_batch_size_count') > 0
    assert server.metric('jaxcolor_queue_depth') == 0
    assert server.metric('jaxcolor_request_seconds_count{route="/v1/colorize"}') > 0


def test_pages_need_nobody_else(server):
    """Everything that the pages load is here, and the browser must take nothing else."""
    for page in ('', 'docs'):
        answer = httpx.get(f'{server.url}/{page}')
        assert answer.status_code == 200
        assert "default-src 'none'" in answer.headers['content-security-policy']
        assert answer.headers['x-content-type-options'] == 'nosniff'
        assert 'access-control-allow-origin' not in answer.headers
        loaded = re.findall(r'(?:href|src)="([^"]+)"', answer.text)
        assert loaded
        for address in loaded:
            assert '//' not in address
            assert httpx.get(f'{server.url}/{address}').status_code == 200
    assert httpx.get(f'{server.url}/../settings.py').status_code == 404


def test_openapi_and_docs_agree(server):
    document = httpx.get(f'{server.url}/openapi.json').json()
    text = httpx.get(f'{server.url}/docs').text
    for path in document['paths']:
        assert f'{path}</code>' in text
    for path, kind in (('/v1/colorize', ColorizeOptions), ('/v1/colors', ColorsOptions)):
        operation = document['paths'][path]['post']
        form = operation['requestBody']['content']['multipart/form-data']['schema']
        assert form['required'] == ['image']
        assert set(form['properties']) == {'image'} | {parameter['name'] for parameter in operation['parameters']}
        assert set(form['properties']) == {'image', *kind.model_fields}
        for name in form['properties']:
            assert f'<td><code>{name}</code></td>' in text
        for status, answer in operation['responses'].items():
            assert status == '200' or f'<td>{status}</td>' in text
            assert status == '200' or answer['content']['application/json']['example']['detail']
    json.dumps(document)


def test_openapi_knows_where_a_proxy_has_put_it():
    assert openapi.document([], '/colour')['servers'] == [{'url': '/colour'}]


def test_unknown_addresses_and_methods(server):
    answer = httpx.get(f'{server.url}/nothing')
    assert (answer.status_code, _detail(answer)) == (404, 'Not Found')
    assert httpx.get(f'{server.url}/v1/colorize').status_code in (404, 405)
    answer = httpx.delete(f'{server.url}/v1/model')
    assert (answer.status_code, _detail(answer)) == (405, 'Method Not Allowed')


def test_page_is_in_the_package():
    from jaxcolor import server

    assert (Path(server.__file__).parent / 'page' / 'index.html').is_file()
