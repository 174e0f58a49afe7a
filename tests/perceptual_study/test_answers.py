"""Rates against scipy, and a file of answers that keeps whatever came before."""

import errno
import json
import os

import pytest
import scipy.stats

from jaxcolor.errors import UserError
from jaxcolor.perceptual_study.answers import Answer, Rate, Results, Setting, summarize

SETTING = Setting('photos, step 9', 64, None)


def answer(judge='a', picture='1.jpg', shown='coloured', word='true', setting=SETTING):
    return Answer(judge, picture, shown, word, setting)


@pytest.mark.parametrize(('count', 'total'), [(0, 1), (1, 1), (0, 30), (30, 30), (7, 30), (31, 100), (500, 1001)])
def test_interval_is_wilsons(count, total):
    expected = scipy.stats.binomtest(count, total).proportion_ci(0.95, method='wilson')
    assert Rate(count, total).interval == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_without_answers_nothing_is_known():
    assert Rate(0, 0).interval == (0, 1)
    assert str(Rate(0, 0)) == 'no answers'


def test_summary_counts_what_was_taken_for_the_other():
    words = [('coloured', 'true'), ('coloured', 'true'), ('coloured', 'coloured'), ('true', 'coloured')]
    words += [('true', 'true')] * 4
    answers = [answer('ab'[i % 2], f'{i}', *pair) for i, pair in enumerate(words)]
    summary = summarize(answers)
    assert summary == (2, Rate(2, 3), Rate(1, 5))
    assert summary.to_json()['doubted'] == {'taken': 1, 'total': 5, 'interval': Rate(1, 5).interval}


def test_report_keeps_settings_apart(tmp_path):
    results = Results(tmp_path / 'a.jsonl')
    assert results.report() == 'no answers'
    results.add(answer())
    results.add(answer(word='coloured', judge='b'))
    results.add(answer(setting=Setting('photos, step 9', 64, 1.5)))
    first, second = Results(results.path).report().split('\n\n')
    assert first.splitlines()[0] == 'photos, step 9, 64 px at most, shown as long as one likes: 2 people, 2 answers'
    assert first.splitlines()[1].endswith(': 50.0 % (1 of 2; 95 %: 9.5 to 90.5)')
    assert second.splitlines()[0] == 'photos, step 9, 64 px at most, shown 1.5 s: 1 person, 1 answers'
    assert second.splitlines()[2].endswith('coloured:               no answers')


def test_answers_come_back_whatever_the_name(tmp_path):
    results = Results(tmp_path / 'a.jsonl')
    names = ['plain.jpg', 'Gärten/日本.jpg', 'line\nbreak.jpg', os.fsdecode(b'\xff.jpg')]
    for name in names:
        results.add(answer(picture=name))
    again = Results(results.path)
    assert again.answers == results.answers == [answer(picture=name) for name in names]
    assert again.broken == 0


def test_after_half_a_line_a_new_one_begins(tmp_path):
    path = tmp_path / 'a.jsonl'
    Results(path).add(answer())
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:20])
    results = Results(path)
    assert (len(results.answers), results.broken) == (1, 1)
    results.add(answer('b'))
    assert path.read_bytes().startswith(whole + whole[:20])  # nothing is lost
    again = Results(path)
    assert ([one.judge for one in again.answers], again.broken) == (['a', 'b'], 1)
    assert again.report().startswith(f'{path}: left out, for they are no answers: 1 lines')


@pytest.mark.parametrize(
    'change',
    [
        {'answer': 'maybe'}, {'shown': None}, {'judge': '../x'}, {'judge': 3}, {'setting': None},
        {'setting': {'model': 'x'}}, {'setting': ['x', 1, None]}, {'extra': 1}, {'picture': ['a']},
        {'setting': {'model': 'x', 'size': 'large', 'seconds': None}},
    ],
)  # fmt: skip
def test_what_is_no_answer_is_left_out(tmp_path, change):
    path = tmp_path / 'a.jsonl'
    Results(path).add(answer())
    line = json.loads(path.read_text())
    with path.open('a') as file:
        file.write(json.dumps(line | change) + '\n')
    assert (Results(path).answers, Results(path).broken) == ([answer()], 1)


def test_a_file_of_something_else_is_refused(tmp_path):
    path = tmp_path / 'losses.jsonl'
    path.write_text('{"step": 1}\n')
    with pytest.raises(UserError, match='holds no answers of `jaxcolor judge`; use another file'):
        Results(path)
    with pytest.raises(UserError, match='can not be read: Is a directory'):
        Results(tmp_path)


def test_an_answer_that_is_not_written_does_not_count(tmp_path, monkeypatch):
    results = Results(tmp_path / 'a.jsonl')

    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, 'fsync', full)
    with pytest.raises(OSError, match='No space left'):
        results.add(answer())
    assert results.answers == []
