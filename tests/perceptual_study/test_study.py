"""Who is shown what."""

from collections import Counter

import pytest

from jaxcolor.perceptual_study import study as studies
from jaxcolor.perceptual_study.answers import Results, Setting
from jaxcolor.perceptual_study.pictures import Pair
from jaxcolor.perceptual_study.study import AnsweredError, NotFoundError, Study, TooManyError

SETTING = Setting('photos, step 9', 64, None)
PAIRS = {f'{number}.jpg': Pair(b'true %d' % number, b'made %d' % number) for number in range(11)}


@pytest.fixture
def results(tmp_path):
    return Results(tmp_path / 'results.jsonl')


def go_on(study, judge, most=99):
    """Answers rightly until all, or `most`, are answered; what was shown."""
    seen = []
    while (key := study.next_picture(judge)) and len(seen) < most:
        content = study.picture(judge, key)
        seen.append(content)
        study.answer(judge, key, 'true' if content.startswith(b'true') else 'coloured')
    return seen


def test_everybody_sees_each_picture_once_half_of_them_coloured(results):
    study = Study(PAIRS, SETTING, results)
    orders, halves = [], Counter()
    for _ in range(30):
        seen = go_on(study, study.new_judge())
        orders.append(tuple(seen))
        assert sorted(int(content.split()[1]) for content in seen) == list(range(11))
        halves[sum(content.startswith(b'made') for content in seen)] += 1
    assert halves.keys() == {5, 6}
    assert len(set(orders)) == 30
    summary = study.summary()
    assert (summary.judges, summary.fooled.taken, summary.doubted.taken) == (30, 0, 0)
    assert summary.fooled.total + summary.doubted.total == 330
    firsts = Counter(order[0] for order in orders)
    assert len(firsts) > 8


def test_keys_say_nothing_and_are_used_once(results):
    study = Study(PAIRS, SETTING, results)
    keys = set()
    for _ in range(5):
        judge = study.new_judge()
        while key := study.next_picture(judge):
            keys.add(key)
            study.answer(judge, key, 'true')
            with pytest.raises(AnsweredError):
                study.answer(judge, key, 'coloured')
    assert len(keys) == 55
    assert {len(key) for key in keys} == {16}


def test_another_ones_picture_is_not_shown(results):
    study = Study(PAIRS, SETTING, results)
    one, other = study.new_judge(), study.new_judge()
    with pytest.raises(NotFoundError):
        study.picture(one, study.next_picture(other))
    with pytest.raises(NotFoundError, match='begin anew'):
        study.next_picture('nobody')


def test_goes_on_after_a_new_start(results):
    """With what was answered, and forms that come to a half in the end."""
    for _ in range(10):
        study = Study(PAIRS, SETTING, results)
        judge, silent = study.new_judge(), study.new_judge()
        first = go_on(study, judge, most=4)
        again = Study(PAIRS, SETTING, Results(results.path))
        assert again.judged(judge) == 4
        seen = first + go_on(again, judge)
        assert sorted(int(content.split()[1]) for content in seen) == list(range(11))
        assert sum(content.startswith(b'made') for content in seen) in (5, 6)
        with pytest.raises(NotFoundError):
            again.judged(silent)


def test_another_setting_shows_nothing_twice_and_counts_by_itself(results):
    study = Study(PAIRS, SETTING, results)
    judge = study.new_judge()
    go_on(study, judge, most=4)
    other = Study(PAIRS, SETTING._replace(model='another'), results)
    assert len(go_on(other, judge)) == 7
    assert sum(rate.total for rate in other.summary(judge)[1:]) == 7
    assert sum(rate.total for rate in study.summary(judge)[1:]) == 4


def test_nobody_fills_the_memory(results, monkeypatch):
    monkeypatch.setattr(studies, 'MOST_JUDGES', 2)
    study = Study(PAIRS, SETTING, results)
    study.new_judge(), study.new_judge()
    with pytest.raises(TooManyError, match='more than 2 people'):
        study.new_judge()


def test_an_answer_that_is_not_written_can_be_given_again(results, monkeypatch):
    study = Study(PAIRS, SETTING, results)
    judge = study.new_judge()
    key = study.next_picture(judge)
    with monkeypatch.context() as context:
        context.setattr(results, 'path', results.path / 'below a file')
        with pytest.raises(OSError, match='No such file'):
            study.answer(judge, key, 'true')
    assert study.next_picture(judge) == key
    study.answer(judge, key, 'true')
    assert study.judged(judge) == 1
