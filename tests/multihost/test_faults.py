"""One fault of each kind; `tests/faults.py` itself takes as many as one likes."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def suffer(folder, *options):
    """Runs three faults; returns what is said of each, all that was printed, and what the processes said."""
    command = [sys.executable, 'tests/faults.py', '--faults=3', '--devices=1', f'--folder={folder}', *options]
    done = subprocess.run(command, cwd=ROOT, text=True, capture_output=True, timeout=550, check=False)
    logs = sorted((folder / 'logs').rglob('*.log'))
    output = '\n'.join(f'{log}:\n{log.read_text(errors="replace")}' for log in logs)
    assert done.returncode == 0, f'{done.stdout}{done.stderr}{output}'
    assert 'DIFFER' not in done.stdout
    return [line.split() for line in done.stdout.splitlines()[1:4]], done.stdout, output


def test_a_signal_or_a_dead_process_loses_nothing_that_was_saved(tmp_path):
    # Steps enough that a faster machine is not through before the third.
    rows, out, output = suffer(tmp_path, '--steps=120', '--longest=1')
    assert [row[1] for row in rows] == ['SIGTERM', 'SIGKILL', 'SIGKILL'], out
    assert 'arrays of step 120 equal' in out
    assert 'SIGTERM: saved step' in output
    assert 'Traceback' not in output


def test_a_single_process_resumes_from_wherever_it_was_killed(tmp_path):
    options = ('--processes=1', '--steps=40', '--checkpoint-every=2', '--log-every=5', '--eval-every=6', '--longest=0')
    rows, out, _ = suffer(tmp_path, *options)
    assert [row[1] for row in rows] == ['SIGKILL', 'SIGTERM', 'SIGINT'], out
    assert 'arrays of step 40 equal' in out
    assert 'scalars of TensorBoard equal' in out
