"""One fault of each kind; `tests/faults.py` itself takes as many as one likes."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_a_signal_or_a_dead_process_loses_nothing_that_was_saved(tmp_path):
    # Steps enough that a faster machine is not through before the third.
    command = [sys.executable, 'tests/faults.py', '--faults=3', '--steps=120', '--devices=1', '--longest=1']
    done = subprocess.run(
        [*command, f'--folder={tmp_path}'], cwd=ROOT, text=True, capture_output=True, timeout=550, check=False
    )
    logs = sorted((tmp_path / 'logs').rglob('*.log'))
    output = '\n'.join(f'{log}:\n{log.read_text(errors="replace")}' for log in logs)
    assert done.returncode == 0, f'{done.stdout}{done.stderr}{output}'
    assert [line.split()[1] for line in done.stdout.splitlines()[1:4]] == ['SIGTERM', 'SIGKILL', 'SIGKILL'], done.stdout
    assert 'DIFFER' not in done.stdout
    assert 'arrays of step 120 equal' in done.stdout
    assert 'SIGTERM: saved step' in output
    assert 'Traceback' not in output
