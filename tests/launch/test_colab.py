"""The notebook: nothing but source is in it, and it runs from top to bottom."""

import json
import os
import subprocess
import sys
from pathlib import Path

from helpers import fast_compile
from PIL import Image

ROOT = Path(__file__).parents[2]
CELLS = json.loads((ROOT / 'launch/colab.ipynb').read_text())['cells']
CODE = [''.join(cell['source']) for cell in CELLS if cell['cell_type'] == 'code']


def test_has_no_outputs():
    assert all(cell['outputs'] == [] and cell['execution_count'] is None for cell in CELLS if 'outputs' in cell)


def test_runs_from_top_to_bottom(tmp_path):
    install, *cells = CODE
    assert '%pip install' in install and not any('%' in cell or '!' in cell for cell in cells)
    script = '\n'.join(cells).replace("CONFIG = 'quickstart' ", "CONFIG = 'quickstart:smoke' ")
    assert 'quickstart:smoke' in script.split('@param')[0]
    last = cells[-1]
    script = script.replace(last, f'shown = {last.strip()}\nshown.save("shown.png")')
    env = os.environ | {'XLA_FLAGS': ' '.join(fast_compile.FLAGS), 'PYTHONPATH': str(ROOT)}
    done = subprocess.run(
        [sys.executable, '-c', script], cwd=tmp_path, env=env, capture_output=True, text=True, check=False
    )
    assert not done.returncode, done.stderr
    with Image.open(tmp_path / 'in_colour.png') as image, Image.open(tmp_path / 'shown.png') as shown:
        assert (image.size, image.mode) == ((512, 512), 'RGB')
        assert shown.size == (1600, 533)
        assert len(shown.getcolors(2**20)) > 256  # more than greys
