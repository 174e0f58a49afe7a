"""Kills processes of a run at random moments, starts it again each time, and counts what was lost.

    python tests/faults.py --faults 15

Runs an undisturbed training of several processes over loopback, then the same one with faults, in turn SIGTERM to one
that is not the first, SIGKILL to such a one, and SIGKILL to the first. After every fault all processes must end by
themselves with an honest status; the same line then resumes. In the end the parameters and the records must be those of
the undisturbed run, bit for bit. The exit status says whether all that held.
"""

import argparse
import itertools
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from helpers.cluster import Cluster, arrays, lines

FAULTS = (
    (signal.SIGTERM, False),
    (signal.SIGKILL, False),
    (signal.SIGKILL, True),
)  # the signal, and whether to the first


def complete(workdir: Path) -> list[int]:
    """The steps whose checkpoints are whole."""
    folder = workdir / 'checkpoints'
    return sorted(int(path.name) for path in folder.iterdir() if path.name.isdigit()) if folder.is_dir() else []


def done(workdir: Path) -> int:
    """The last step that the records know of."""
    return max((int(line['step']) for line in lines(workdir / 'losses.jsonl')), default=0)


def disturb(cluster: Cluster, number: int, victim: int, moment: float, workdir: Path) -> tuple[int, float]:
    """Sends a signal `moment` seconds after the first new step; returns the last step recorded by then, and when."""
    before, deadline = done(workdir), time.monotonic() + 300
    while cluster.running() and done(workdir) == before and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(moment)
    step = done(workdir)
    cluster.processes[victim].send_signal(number)
    return step, time.monotonic()


def honest(number: int, victim: int, statuses: list[int]) -> bool:
    """Whether the statuses say what happened: all done, all asked to end, or one dead and the others failing for it."""
    if set(statuses) == {0} or -1 in statuses:
        return -1 not in statuses
    if number == signal.SIGTERM:
        return set(statuses) == {128 + signal.SIGTERM}
    others = [status for p, status in enumerate(statuses) if p != victim]
    return statuses[victim] == -signal.SIGKILL and all(status not in (0, 1) for status in others)


def main() -> int:
    """Runs the faults that the arguments say; returns the number of things that went wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--faults', type=int, default=15, help='how many (15)')
    parser.add_argument('--processes', type=int, default=2)
    parser.add_argument('--devices', type=int, default=2, help='of each process (2)')
    parser.add_argument('--steps', type=int, default=200)
    parser.add_argument('--checkpoint-every', type=int, default=4, help='steps (4: a good part of the time)')
    parser.add_argument('--heartbeat', type=int, default=10, help='seconds after which a silent process is dead (10)')
    parser.add_argument('--longest', type=float, default=5.0, help='seconds from the first step to the fault, at most')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--folder', type=Path, help='where the runs are left; else they are removed')
    parser.add_argument('rest', nargs='*', help='more flags, after --')
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        return faults(arguments, arguments.folder or Path(temporary))


def faults(arguments: argparse.Namespace, folder: Path) -> int:
    """See `main`."""
    chance = random.Random(arguments.seed)
    command = [sys.executable, '-m', 'jaxcolor.main', '--config=configs/quickstart.py:smoke', '--multihost']
    command += [f'--heartbeat_seconds={arguments.heartbeat}', f'--config.num_steps={arguments.steps}']
    command += [f'--config.checkpoint_every={arguments.checkpoint_every}', '--config.log_every=1']
    command += [f'--config.eval_every={arguments.steps // 2}', *arguments.rest]
    cache = {'JAX_COMPILATION_CACHE_DIR': str(folder / 'compiled'), 'JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS': '0'}

    def start(name: str, attempt: int) -> Cluster:
        line = [*command, f'--workdir={folder / name}']
        return Cluster.start(
            line, arguments.processes, arguments.devices, folder / 'logs' / f'{name}{attempt}', **cache
        )

    whole, broken, wrong = folder / 'whole', folder / 'broken', 0
    undisturbed = start('whole', 0)
    if undisturbed.wait(1800) != [0] * arguments.processes:
        print('the undisturbed run failed:', undisturbed.output(0), sep='\n')
        return 1
    print('fault  signal   to  at step  after     statuses        ended in  resumes at  lost')
    for attempt, (number, first) in zip(range(arguments.faults), itertools.cycle(FAULTS), strict=False):
        victim = 0 if first else chance.randrange(1, arguments.processes)
        moment = chance.uniform(0, arguments.longest)
        cluster = start('broken', attempt)
        step, sent = disturb(cluster, number, victim, moment, broken)
        statuses = cluster.wait(arguments.heartbeat + 120)
        ended, saved = time.monotonic() - sent, max(complete(broken), default=0)
        lost = max(0, done(broken) - saved)
        # What was saved last may still have been on its way to the disk.
        fine = honest(number, victim, statuses) and lost <= (
            0 if number == signal.SIGTERM else 2 * arguments.checkpoint_every
        )
        wrong += not fine
        shown = ' '.join(map(str, statuses))
        name = signal.Signals(number).name
        print(
            f'{attempt + 1:5}  {name}  {victim:2}  {step:7}  {moment:4.1f} s  {shown:<15} {ended:6.1f} s  {saved:10}',
            end='',
        )
        print(f'  {lost:4}{"" if fine else "   WRONG"}', flush=True)
        if set(statuses) == {0}:
            print('the run is through; more --steps take more faults')
            break
    if start('broken', arguments.faults).wait(1800) != [0] * arguments.processes:
        print('the disturbed run does not end')
        return wrong + 1
    expected, actual = arrays(whole, arguments.steps), arrays(broken, arguments.steps)
    same = expected.keys() == actual.keys() and all(np.array_equal(expected[n], actual[n]) for n in expected)
    wrong += not same
    print(f'{len(expected)} arrays of step {arguments.steps} {"equal" if same else "DIFFER FROM"} those undisturbed')
    for name in ('evaluations.jsonl', 'losses.jsonl'):
        timing = ('images_per_second', 'input_wait')
        one, other = (
            [{k: v for k, v in line.items() if k not in timing} for line in lines(w / name)] for w in (whole, broken)
        )
        wrong += one != other
        print(f'{len(other)} lines of {name} {"equal" if one == other else "DIFFER FROM"} those undisturbed')
    return wrong


if __name__ == '__main__':
    sys.exit(min(1, main()))
