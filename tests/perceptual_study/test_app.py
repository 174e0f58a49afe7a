"""The API: what it answers to a page, to mistakes, and to those who mean harm."""

import json

import pytest
from starlette.testclient import TestClient

from jaxcolor.perceptual_study.answers import Results, Setting
from jaxcolor.perceptual_study.app import create_app
from jaxcolor.perceptual_study.pictures import Pair
from jaxcolor.perceptual_study.study import Study
from jaxcolor.server.settings import Settings

PAIRS = {f'holiday {number}.jpg': Pair(b'BM true %d' % number, b'BM made %d' % number) for number in range(4)}
SETTING = Setting('photos, step 9', 64, 2.5)


@pytest.fixture
def results(tmp_path):
    return Results(tmp_path / 'results.jsonl')


def client_of(results, **settings):
    return TestClient(create_app(Study(PAIRS, SETTING, results), Settings(**settings)))


@pytest.fixture
def client(results):
    return client_of(results)


def begin(client):
    return client.post('/v1/judges', json={}).json()


def test_from_beginning_to_summary(client, results):
    state = begin(client)
    judge = state.pop('judge')
    assert state == {'judged': 0, 'total': 4, 'picture': state['picture'], 'seconds': 2.5}
    shown = []
    while key := state['picture']:
        assert client.get(f'/v1/judges/{judge}').json() == state
        picture = client.get(f'/v1/judges/{judge}/pictures/{key}')
        assert (picture.headers['content-type'], picture.headers['cache-control']) == ('image/bmp', 'no-store')
        shown.append(picture.content)
        state = client.post(f'/v1/judges/{judge}/answers', json={'picture': key, 'answer': 'true'}).json()
        assert state['judged'] == len(shown) == len(results.path.read_text().splitlines())  # at once
    assert {content.split()[-1] for content in shown} == {b'0', b'1', b'2', b'3'}
    summary = client.get(f'/v1/judges/{judge}/summary').json()
    assert summary['own'] == summary['all']
    assert (summary['own']['fooled']['taken'], summary['own']['fooled']['total']) == (2, 2)
    assert (summary['own']['doubted']['taken'], summary['own']['doubted']['total']) == (0, 2)
    assert begin(client)['judge'] != judge


def test_nothing_tells_the_forms_apart(client):
    """Names, headers and lengths are the same, but for what is random."""
    kinds = set()
    for _ in range(8):
        state = begin(client)
        picture = client.get(f'/v1/judges/{state["judge"]}/pictures/{state["picture"]}')
        assert 'holiday' not in json.dumps(state) + str(picture.headers)
        kinds.add((len(state['picture']), *sorted(picture.headers.items())))
    assert len(kinds) == 1


def test_results_hold_nothing_of_the_person(client, results):
    state = begin(client)
    client.post(f'/v1/judges/{state["judge"]}/answers', json={'picture': state['picture'], 'answer': 'coloured'})
    (line,) = map(json.loads, results.path.read_text().splitlines())
    assert line.keys() == {'judge', 'picture', 'shown', 'answer', 'setting'}
    assert line['setting'] == {'model': 'photos, step 9', 'size': 64, 'seconds': 2.5}


def test_a_second_answer_is_refused(client, results):
    state = begin(client)
    answers = f'/v1/judges/{state["judge"]}/answers'
    first = client.post(answers, json={'picture': state['picture'], 'answer': 'true'})
    second = client.post(answers, json={'picture': state['picture'], 'answer': 'coloured'})
    assert (first.status_code, second.status_code) == (200, 409)
    assert second.json()['detail'].endswith('is answered already, or is not the one whose turn it is; ask for the next')
    assert client.get(f'/v1/judges/{state["judge"]}/pictures/{state["picture"]}').status_code == 404
    assert [one.answer for one in results.answers] == ['true']


@pytest.mark.parametrize(
    ('content', 'status', 'detail'),
    [
        (b'', 422, 'body: invalid json'),
        (b'{"picture":', 422, 'body: invalid json'),
        (b'[]', 422, 'body: '),
        (b'{"answer": "true"}', 422, 'picture: field required; use {"picture": '),
        (b'{"picture": "KEY"}', 422, 'answer: field required'),
        (b'{"picture": "KEY", "answer": "yes"}', 422, "answer: input should be 'true' or 'coloured'"),
        (b'{"picture": "KEY", "answer": true}', 422, "answer: input should be 'true' or 'coloured'"),
        (b'{"picture": 7, "answer": "true"}', 422, 'picture: input should be a valid string'),
        (b'{"picture": "KEY", "answer": "true", "shown": "true"}', 422, 'shown: extra inputs are not permitted'),
        (b'{"picture": "\xff", "answer": "true"}', 422, 'body: invalid json'),
        (b'{"picture": "another", "answer": "true"}', 409, 'picture=… is answered already'),
        (b'{"picture": "KEY", "answer": "true"' + b' ' * 2000 + b'}', 413, 'an answer has 1024 bytes at most'),
    ],
)
def test_answers_that_are_none(client, results, content, status, detail):
    state = begin(client)
    body = content.replace(b'KEY', state['picture'].encode())
    json_type = {'content-type': 'application/json'}
    answer = client.post(f'/v1/judges/{state["judge"]}/answers', content=body, headers=json_type)
    assert answer.status_code == status
    assert answer.json()['detail'].startswith(detail)
    assert not results.answers
    assert client.get(f'/v1/judges/{state["judge"]}').json()['picture'] == state['picture']


@pytest.mark.parametrize('name', ['nobody', '..', '%00', 'a' * 5000, '%2e%2e'])
def test_people_and_pictures_that_nobody_knows(client, name):
    judge = begin(client)['judge']
    assert client.get(f'/v1/judges/{name}x').status_code == 404
    assert client.get(f'/v1/judges/{judge}/pictures/{name}x').status_code == 404
    assert client.get(f'/v1/judges/{name}x/summary').status_code == 404
    answer = client.post(f'/v1/judges/{name}x/answers', json={'picture': 'a', 'answer': 'true'})
    assert answer.status_code == 404
    assert client.get(f'/{name}x').status_code == 404


def test_other_origins_can_not_answer(client, results):
    """A page elsewhere sends without asking what a form could; JSON it can't."""
    state = begin(client)
    body = json.dumps({'picture': state['picture'], 'answer': 'true'})
    for kind in ('text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', ''):
        answer = client.post(
            f'/v1/judges/{state["judge"]}/answers', content=body, headers={'content-type': kind, 'origin': 'http://a.b'}
        )
        assert (answer.status_code, 'access-control-allow-origin' in answer.headers) == (415, False)
    assert client.post('/v1/judges').status_code == 415
    assert not results.answers


def test_a_disk_that_is_full_is_said_and_the_answer_can_be_given_again(client, results, monkeypatch):
    state = begin(client)
    answers, fields = f'/v1/judges/{state["judge"]}/answers', {'picture': state['picture'], 'answer': 'true'}
    with monkeypatch.context() as context:
        context.setattr(results, 'path', results.path / 'below a file')
        failed = client.post(answers, json=fields)
    assert failed.status_code == 500
    assert failed.json()['detail'].startswith('the answer can not be written: ')
    assert client.post(answers, json=fields).json()['judged'] == 1


def test_a_token_is_wanted_for_all_but_the_page(results):
    client = client_of(results, token='grandmother')
    for path in ('/v1/judges/x', '/v1/judges/x/pictures/y', '/v1/judges/x/summary'):
        assert client.get(path).status_code == 401
    assert client.post('/v1/judges', json={}).status_code == 401
    assert client.post('/v1/judges', json={}, headers={'authorization': 'Bearer grandmother'}).status_code == 200
    assert client.get('/').status_code == 200


def test_the_page_and_its_headers(client):
    for path, kind in (
        ('/', 'text/html'), ('/study.js', 'text/javascript'), ('/study_backend.js', 'text/javascript'),
        ('/say.js', 'text/javascript'), ('/page.css', 'text/css'), ('/study.css', 'text/css'),
        ('/favicon.svg', 'image/svg+xml'),
    ):  # fmt: skip
        answer = client.get(path)
        assert (answer.status_code, answer.headers['content-type'].partition(';')[0]) == (200, kind), path
        assert "default-src 'none'" in answer.headers['content-security-policy']
        assert answer.headers['x-content-type-options'] == 'nosniff'
