import os
import re
from pathlib import Path

import pytest
from helpers import locked_folders

from jaxcolor.batch_inference import discover
from jaxcolor.errors import UserError


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def make(*names):
    for name in names:
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b'')


def found(*paths, output='out'):
    return {str(file): str(relative) for file, relative in discover.find(paths, Path(output)).files.items()}


def planned(*paths, form='same', samples=None, compare=False, output='out'):
    jobs = discover.plan(discover.find(paths, Path(output)).files, Path(output), form, samples=samples, compare=compare)
    return {str(job.source): [str(file) for file in job.files] for job in jobs}


def test_folders_are_searched_all_the_way_down(here):
    make('scans/2.PNG', 'scans/b/a.jpg', 'scans/10.tif', 'scans/b/c/ünï 雪.heic', 'scans/notes.txt')
    make('scans/.hidden.jpg', 'scans/.git/x.png', 'scans/b/._a.jpg')
    assert list(found('scans').items()) == [
        ('scans/10.tif', '10.tif'),
        ('scans/2.PNG', '2.PNG'),
        ('scans/b/a.jpg', 'b/a.jpg'),
        ('scans/b/c/ünï 雪.heic', 'b/c/ünï 雪.heic'),
    ]


def test_a_named_file_is_taken_whatever_its_suffix(here):
    make('scans/a.dat', 'scans/.b.jpg', 'scans/c')
    assert list(found('scans/a.dat', 'scans/.b.jpg', 'scans/c').values()) == ['a.dat', '.b.jpg', 'c']


def test_patterns_that_the_shell_left_alone(here):
    make('scans/a.jpg', 'scans/b.tif', 'scans/x/c.tif', 'scans/x/y/d.tif', 'scans/.z/e.tif', 'scans/x[1].jpg')
    assert list(found('scans/**/*.tif').values()) == ['b.tif', 'x/c.tif', 'x/y/d.tif']
    assert list(found('scans/?.*').values()) == ['a.jpg', 'b.tif']
    assert list(found('scans/[xy]').values()) == ['x/c.tif', 'x/y/d.tif']
    assert list(found('scans/x[1].jpg').values()) == ['x[1].jpg']  # it is there, as it is written
    assert list(found(str(here / 's*' / 'a.jpg')).values()) == ['scans/a.jpg']


def test_links_in_circles_end(here):
    make('scans/a.jpg', 'scans/b/c.jpg')
    for name in ('one', 'two'):
        Path('scans', name).symlink_to('.')
        Path('scans/b', name).symlink_to('..')
    assert list(found('scans').values()) == ['a.jpg', 'b/c.jpg']
    assert set(found('scans/**/*.jpg').values()) == {'a.jpg', 'b/c.jpg'}


def test_a_file_counts_once(here):
    make('scans/a.jpg', 'scans/b/c.jpg')
    Path('scans/link.jpg').symlink_to('a.jpg')
    assert list(found('scans/b', 'scans', './scans/a.jpg').items()) == [
        ('scans/b/c.jpg', 'c.jpg'),
        ('scans/a.jpg', 'a.jpg'),
    ]


@pytest.mark.parametrize('path', ['scans', 'scans/**/*.jpg', 'scans/*'])
def test_what_was_written_is_not_read(here, path):
    make('scans/a.jpg', 'scans/b/c.jpg', 'scans/out/a.jpg', 'scans/out/b/c.jpg')
    assert list(found(path, output='scans/out')) == ['scans/a.jpg', 'scans/b/c.jpg']


def test_the_output_may_lie_above_the_input(here):
    make('scans/a.jpg')
    assert planned('scans', output='.') == {'scans/a.jpg': ['a.jpg']}
    assert planned('scans/*.jpg', output='.') == {'scans/a.jpg': ['a.jpg']}


@pytest.fixture
def locked(here, monkeypatch):
    locked_folders.refuse(monkeypatch, 'locked')


@pytest.mark.parametrize('path', ['scans', 'scans/**/*.jpg', 'scans/*/*.jpg', 'sc*'])
def test_folders_that_can_not_be_entered_are_named(locked, path):
    make('scans/x/a.jpg', 'scans/locked/b.jpg')
    found = discover.find([path], Path('out'))
    assert [file.name for file in found.files] == ['a.jpg']
    assert found.refused == ['scans/locked: Permission denied']


def test_folders_beside_the_way_of_a_pattern_are_nobodys_business(locked):
    make('scans/x/a.jpg', 'scans/locked/b.jpg', 'scans/x/locked/c.jpg')
    assert discover.find(['scans/x/*.jpg', 'scans/[xy]*/?.jpg'], Path('out')).refused == []


def test_nothing_but_a_folder_that_can_not_be_entered(locked):
    make('locked/b.jpg')
    with pytest.raises(UserError, match=r'^locked: Permission denied$'):
        found('locked')


def test_a_link_to_nothing_is_left_to_the_reader(here):
    make('scans/a.jpg')
    Path('scans/b.jpg').symlink_to('gone.jpg')
    assert list(found('scans').values()) == ['a.jpg', 'b.jpg']


def test_an_output_that_is_a_file(here):
    make('in/a.png', 'in/b.gif', 'one/a.png')
    assert planned('in/a.png', output='new/x.jpg') == {'in/a.png': ['new/x.jpg']}
    assert planned('one', output='x.TIF', form='tiff') == {'one/a.png': ['x.TIF']}
    assert planned('in/a.png', output='x.jpg', samples=2, compare=True) == {
        'in/a.png': ['x-1.jpg', 'x-2.jpg', 'x-compare.jpg']
    }
    Path('folder.jpg').mkdir()
    assert planned('in/a.png', output='folder.jpg') == {'in/a.png': ['folder.jpg/a.png']}
    for output, form, message in (
        ('x.jpg', 'same', '--output=x.jpg is one file, for 2 pictures; use a folder'),
        ('x.gif', 'same', '--output=x.gif is of a format that is not written; use .png, .jpg, .webp, .tif'),
    ):
        with pytest.raises(UserError, match=re.escape(message)):
            planned('in', output=output, form=form)
    with pytest.raises(UserError, match=re.escape('--output=x.jpg is not of --format=png; leave one of them out')):
        planned('in/a.png', output='x.jpg', form='png')
    with pytest.raises(UserError, match='written over the input'):
        planned('in/a.png', output='in/a.png')


MISTAKES = {
    'missing': (['missing.jpg'], 'missing.jpg: there is no such file or folder'),
    'missing after another': (['scans', 'missing'], 'missing: there is no such file or folder'),
    'empty folder': (['empty'], 'empty: there are no pictures'),
    'empty pattern': (['scans/*.png'], r'scans/\*.png: there are no pictures'),
    'no pattern': (['scans/**.jpg/**x'], 'Invalid pattern|no pictures'),
    'pipe': (['pipe.jpg'], 'pipe.jpg is neither a file nor a folder'),
    'too long': (['x' * 5000], 'File name too long'),
    'itself': (['out'], '--output=out is a folder of pictures to colour; choose another'),
    'over an input': (['out/a.jpg'], 'out/a.jpg would be written over the input .*out/a.jpg; choose another --output'),
    'over another input': (['scans/b.gif', 'out/b.png'], 'out/b.png would be written over the input .*out/b.png'),
    'two into one': (['scans', 'more'], r'scans/a.jpg and more/a.jpg would both be written to .*out/a.jpg'),
}


@pytest.mark.parametrize('mistake', MISTAKES)
def test_mistakes_are_explained(here, mistake):
    make('scans/a.jpg', 'scans/b.gif', 'out/a.jpg', 'out/b.png', 'more/a.jpg', 'more/b.png')
    Path('empty').mkdir()
    Path('empty/notes.txt').touch()
    os.mkfifo('pipe.jpg')
    paths, message = MISTAKES[mistake]
    with pytest.raises(UserError, match=message) as error:
        planned(*paths)
    assert len(str(error.value).splitlines()) <= 2


def test_suffixes_say_the_format(here):
    make('in/a.jpeg', 'in/b.TIF', 'in/c.gif', 'in/d.webp', 'in/e.heic')
    assert [files for (files,) in planned('in').values()] == [
        'out/a.jpeg',
        'out/b.TIF',
        'out/c.png',
        'out/d.webp',
        'out/e.png',
    ]
    assert [files for (files,) in planned('in', form='jpeg').values()] == [f'out/{x}.jpg' for x in 'abcde']


def test_samples_and_comparisons_have_names_of_their_own(here):
    make('in/x/a.b.jpg')
    names = ['a.b-1.jpg', 'a.b-2.jpg', 'a.b-compare.jpg']
    assert planned('in', samples=2, compare=True) == {'in/x/a.b.jpg': [f'out/x/{name}' for name in names]}


def test_pictures_of_one_name_and_other_suffixes(here):
    """Each has a name of its own, and one that would keep its name does."""
    make('in/IMG_1.jpg', 'in/IMG_1.png', 'in/b.gif', 'in/b.png', 'more/c.jpg', 'in/c.gif', 'in/D.JPG')
    assert planned('in', form='jpeg') == {
        'in/D.JPG': ['out/D.jpg'],
        'in/IMG_1.jpg': ['out/IMG_1.jpg'],
        'in/IMG_1.png': ['out/IMG_1.png.jpg'],
        'in/b.gif': ['out/b.jpg'],
        'in/b.png': ['out/b.png.jpg'],
        'in/c.gif': ['out/c.jpg'],
    }
    names = planned('in')
    assert (names['in/b.gif'], names['in/b.png'], names['in/c.gif']) == (
        ['out/b.gif.png'],
        ['out/b.png'],
        ['out/c.png'],
    )


def test_a_picture_that_is_named_like_a_comparison(here):
    make('in/a.jpg', 'in/a-compare.jpg')
    assert planned('in', compare=True) == {
        'in/a-compare.jpg': ['out/a-compare.jpg', 'out/a-compare-compare.jpg'],
        'in/a.jpg': ['out/a.jpg.jpg', 'out/a.jpg-compare.jpg'],
    }


def test_a_folder_whose_name_looks_like_a_pattern(here):
    make('Album [1945]/x.jpg', 'Album [1945]/y.png', 'what?/z.jpg')
    assert list(found('Album [1945]/*.jpg')) == ['Album [1945]/x.jpg']
    assert list(found('what?/*')) == ['what?/z.jpg']
    assert discover.default_output('Album [1945]/*.jpg') == Path('Album [1945]/colorized')


def test_formats_that_are_not_read_are_counted(here, caplog):
    make('in/a.jpg', 'in/b.dng', 'in/c.DNG', 'in/sub/d.psd', 'in/.e.psd', 'in/notes.txt')
    assert list(found('in').values()) == ['a.jpg']
    assert caplog.messages == ['in: left out, of formats that are not read: 2 .dng, 1 .psd']
