"""Which file a film becomes, and which options do not go with one."""

import sys
from pathlib import Path

import pytest

from jaxcolor import cli
from jaxcolor.errors import UserError
from jaxcolor.films.plan import FilmJob, plan


def planned(names, output='out', pictures=0):
    jobs = plan({Path('in', name): Path(name) for name in names}, Path(output), pictures)
    return [job.output.as_posix() for job in jobs]


def test_containers():
    assert planned(['a.mp4', 'b/c.MKV', 'd.avi', 'e.webm']) == ['out/a.mp4', 'out/b/c.MKV', 'out/d.mkv', 'out/e.webm']


def test_films_of_one_name_become_two():
    assert planned(['a.avi', 'a.mpg']) == ['out/a.mkv', 'out/a.mpg.mkv']


def test_one_film():
    assert plan({Path('a.avi'): Path('a.avi')}, Path('b.mp4'), 0) == [FilmJob(Path('a.avi'), Path('b.mp4'))]


@pytest.mark.parametrize(
    ('names', 'output', 'pictures', 'message'),
    [
        (['a.mp4'], 'b.avi', 0, 'is of a kind that is not written; use .mp4'),
        (['a.mp4'], 'b.jpg', 0, 'is a picture; use .mp4'),
        (['a.mp4', 'b.mp4'], 'c.mp4', 0, 'is one film, for 0 pictures, 2 films; use a folder'),
        ([], 'c.mp4', 3, 'is one film, for 3 pictures, 0 films; use a folder'),
        (['a.mp4'], 'in', 0, 'would be written over the input in/a.mp4'),
    ],
)
def test_what_is_refused(names, output, pictures, message):
    with pytest.raises(UserError, match=message):
        planned(names, output, pictures)


@pytest.mark.parametrize(
    'option', ['--compare', '--gray-test', '--samples=2', '--depth=16', '--format=png'], ids=lambda option: option
)
def test_options_of_pictures(option, tmp_path, capsys):
    film = tmp_path / 'film.mp4'
    film.write_bytes(b'')
    assert cli.main(['colorize', str(film), option]) == 1
    assert (
        capsys.readouterr().err == f'error: {option.removesuffix("=2") if "samples" in option else option} does not go '
        f'with a film, {film}; leave one of them out\n'
    )


@pytest.mark.parametrize('package', ['av', 'cv2'])
def test_without_the_extra(package, tmp_path, capsys, monkeypatch):
    for name in [name for name in sys.modules if name.startswith('jaxcolor.films.') and not name.endswith('plan')]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr('jaxcolor.films.run', raising=False)
    monkeypatch.setitem(sys.modules, package, None)
    film = tmp_path / 'film.mp4'
    film.write_bytes(b'')
    assert cli.main(['colorize', str(film)]) == 1
    error = capsys.readouterr().err
    assert f'needs {package}, which is not installed' in error or 'needs av, which' in error
    assert "pip install 'jaxcolor[video]'" in error and error.count('\n') == 1


def test_films_of_a_folder_are_counted_and_those_of_a_pattern_taken(tmp_path, caplog, monkeypatch):
    from jaxcolor.batch_inference import discover

    monkeypatch.chdir(tmp_path)
    Path('in').mkdir()
    for name in ('a.jpg', 'b.mp4', 'c.mkv'):
        Path('in', name).write_bytes(b'')
    assert [path.name for path in discover.find(['in'], Path('out')).files] == ['a.jpg']
    assert caplog.messages == ['in: left out, films, which are to be named: 1 .mkv, 1 .mp4']
    assert [path.name for path in discover.find(['in/*'], Path('out')).files] == ['a.jpg', 'b.mp4', 'c.mkv']
