"""The page of a Hugging Face Space: its header, its options; where Gradio is installed, the page itself."""

import ast
import inspect
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from jaxcolor import Colorizer

ROOT = Path(__file__).parents[2]
SPACE = ROOT / 'launch/space'
PROJECT = tomllib.loads((ROOT / 'pyproject.toml').read_text())['project']
COLORS = {'red', 'yellow', 'green', 'blue', 'indigo', 'purple', 'pink', 'gray'}  # that Hugging Face knows


def test_header_is_what_a_space_expects():
    header = (SPACE / 'README.md').read_text().split('---\n')[1]
    fields = {key: value.strip('"') for key, value in re.findall(r'^(\w+): (.+)$', header, re.MULTILINE)}
    assert (SPACE / fields['app_file']).is_file()
    assert {fields['colorFrom'], fields['colorTo']} <= COLORS
    assert len(fields['short_description']) <= 60
    assert fields['license'] == PROJECT['license'].lower()
    assert f'{fields["python_version"]}.0' in SpecifierSet(PROJECT['requires-python'])
    needed = {each.name: each for each in map(Requirement, (SPACE / 'requirements.txt').read_text().splitlines())}
    assert fields['sdk'] == 'gradio' and fields['sdk_version'] in needed['gradio'].specifier
    assert PROJECT['version'] in needed['jaxcolor'].specifier
    assert needed['jaxcolor'].extras <= PROJECT['optional-dependencies'].keys()


def test_colorizer_has_the_options():
    calls = [node for node in ast.walk(ast.parse((SPACE / 'app.py').read_text())) if isinstance(node, ast.Call)]
    options = {word.arg for call in calls if ast.unparse(call.func) == 'colorizer' for word in call.keywords}
    assert {'vividness', 'saturation'} <= options <= inspect.signature(Colorizer.__call__).parameters.keys()


PAGE = """
import gradio, numpy, app

example = str(app.EXAMPLES[0])
before, after = map(numpy.asarray, app.colorize(example, 0.4, 1.2))
numpy.testing.assert_array_equal(after, app.colorizer(example, vividness=0.4, saturation=1.2))
assert numpy.ptp(before, axis=2).max() <= 1 < numpy.ptp(after, axis=2).mean()
for path in (None, BROKEN):
    try:
        app.colorize(path, 0.2, 1)
    except gradio.Error as error:
        print(error.message)
print([component.label for component in app.demo.input_components])
"""


def test_page(tmp_path):
    """In a process of its own, for Gradio leaves an event loop open."""
    pytest.importorskip('gradio')
    broken = tmp_path / 'broken.jpg'
    broken.write_text('no picture')
    done = subprocess.run(
        [sys.executable, '-c', f'BROKEN = {str(broken)!r}\n{PAGE}'],
        cwd=SPACE,
        env=os.environ | {'PYTHONPATH': str(ROOT), 'PYTHONDONTWRITEBYTECODE': '1'},
        capture_output=True,
        text=True,
        check=False,
    )
    assert not done.returncode, done.stderr
    none, unreadable, labels = done.stdout.splitlines()[-3:]
    assert none == 'There is no photograph; choose one'
    assert unreadable.startswith('broken.jpg: not a JPEG')
    assert labels == "['Photograph', 'Vividness', 'Saturation']"
