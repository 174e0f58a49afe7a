"""`jaxcolor judge`: reports, and mistakes that are found before anything starts."""

import pytest

from jaxcolor import cli
from jaxcolor.perceptual_study.answers import Answer, Results, Setting


def test_reports_of_a_file(tmp_path, capsys):
    results = Results(tmp_path / 'a.jsonl')
    results.add(Answer('a', '1.jpg', 'coloured', 'true', Setting('photos, step 9', 64, None)))
    assert cli.main(['judge', '--report', str(results.path)]) == 0
    assert capsys.readouterr().out == f'{results.report()}\n'


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ([], '--pictures is missing; use a folder of colour photographs, or --report with results'),
        (['--report=HERE/none.jsonl'], 'none.jsonl: there is no such file; use one of --results'),
        (['--report=HERE/x', '--pictures=HERE'], '--report does not go with --pictures; leave one of them out'),
        (['--report=HERE/losses.jsonl'], 'losses.jsonl holds no answers of `jaxcolor judge`; use another file'),
        (['--pictures=HERE', '--results=HERE/losses.jsonl'], 'holds no answers of `jaxcolor judge`; use another file'),
        (['--pictures=HERE', '--results=HERE/no/a.jsonl'], 'can not be written: No such file or directory; choose'),
        (['none', '--pictures=HERE', '--results=HERE/a.jsonl'], 'none holds no run'),
    ],
)
def test_mistakes_end_in_one_line(tmp_path, capsys, options, message):
    (tmp_path / 'losses.jsonl').write_text('{"step": 1}\n')
    assert cli.main(['judge', *(option.replace('HERE', str(tmp_path)) for option in options)]) == 1
    out, err = capsys.readouterr()
    assert out == ''
    assert message in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize('seconds', ['0', '-1', 'nan', 'inf', '4000', 'x'])
def test_seconds_that_are_none(seconds, capsys):
    with pytest.raises(SystemExit):
        cli.main(['judge', f'--seconds={seconds}'])
    assert '--seconds: ' in capsys.readouterr().err
