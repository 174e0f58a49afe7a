"""Kills processes of a run at random moments, starts it again each time, and counts what was lost.

    python tests/faults.py --faults 15
    python tests/faults.py --processes 1 --devices 1 --faults 100 --steps 500 --log-every 5 --eval-every 6 --longest 0.2

Runs an undisturbed training, then the same one with faults: of several processes over loopback, in turn SIGTERM to one
that is not the first, SIGKILL to such a one, and SIGKILL to the first; of a single one, SIGKILL, SIGTERM and SIGINT, in
turn while it starts, saves, deletes a checkpoint, evaluates, and at any moment. After every fault all processes must
end by themselves with an honest status; the same line then resumes. In the end the parameters, the records, the sample
pictures and what TensorBoard shows must be those of the undisturbed run, bit for bit. The exit status says whether all
that held.
"""

import argparse
import collections
import itertools
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from helpers.cluster import Cluster, arrays, lines, scalars

FAULTS = (
    (signal.SIGTERM, False),
    (signal.SIGKILL, False),
    (signal.SIGKILL, True),
)  # the signal, and whether to the first
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)  # to a single process
PHASES = ('start', 'save', 'delete', 'evaluation', 'any')  # in which a single process gets them
TIMING = ('images_per_second', 'input_wait')


def complete(workdir: Path) -> list[int]:
    """The steps whose checkpoints are whole."""
    folder = workdir / 'checkpoints'
    return sorted(int(path.name) for path in folder.iterdir() if path.name.isdigit()) if folder.is_dir() else []


def last(path: Path) -> int:
    """The last step in a .jsonl file."""
    return max((int(line['step']) for line in lines(path)), default=0)


def done(workdir: Path) -> int:
    """The last step that the records know of."""
    return last(workdir / 'losses.jsonl')


def wait_until(ready: Callable[[], bool], cluster: Cluster, every: float = 0.05) -> None:
    """Waits until `ready`, or a process has ended, or 300 seconds have passed."""
    deadline = time.monotonic() + 300
    while cluster.running() and not ready() and time.monotonic() < deadline:
        time.sleep(every)


def disturb(cluster: Cluster, number: int, victim: int, moment: float, workdir: Path) -> None:
    """Sends a signal `moment` seconds after the first new step."""
    before = done(workdir)
    wait_until(lambda: done(workdir) != before, cluster)
    time.sleep(moment)
    cluster.processes[victim].send_signal(number)


def phase(workdir: Path, eval_every: int) -> str:
    """What a single process that has started is at, as far as its work directory shows."""
    folder = workdir / 'checkpoints'
    if any(folder.glob('*.orbax-checkpoint-tmp*')):
        return 'save'
    if any((folder / '.deleted').glob('*')):
        return 'delete'
    step = done(workdir)
    return 'evaluation' if step % eval_every == 0 and step > last(workdir / 'evaluations.jsonl') else 'any'


class Hunter:
    """Sends a single process signals in the phases that it goes through."""

    def __init__(self, workdir: Path, eval_every: int, longest: float, chance: random.Random):
        """`longest`: seconds, from the first new step to where it waits for the phase, at most."""
        self._workdir, self._eval_every, self._longest, self._chance = workdir, eval_every, longest, chance
        self._start = 5.0  # seconds that a start takes: those of the last one, once there was one
        self.counts: collections.Counter[tuple[str, str]] = collections.Counter()

    def disturb(self, cluster: Cluster, number: signal.Signals, wanted: str) -> str:
        """Sends a signal in the phase `wanted`; returns that in which it came."""
        began, before = time.monotonic(), done(self._workdir)

        def started() -> bool:
            return 'resuming' in cluster.output(0) or (not before and done(self._workdir) > 0)

        if wanted == 'start':
            moment = began + self._chance.uniform(0, self._start)
            wait_until(lambda: time.monotonic() > moment or started(), cluster, 0.01)
        else:
            wait_until(started, cluster, 0.01)
            self._start = time.monotonic() - began
            time.sleep(self._chance.uniform(0, self._longest))
            if wanted != 'any':
                wait_until(lambda: phase(self._workdir, self._eval_every) == wanted, cluster, 0.002)
                time.sleep(self._chance.uniform(0, 0.03) if self._chance.random() < 0.5 else 0)
        seen = phase(self._workdir, self._eval_every) if started() else 'start'
        if cluster.running():
            cluster.processes[0].send_signal(number)
            self.counts[seen, number.name] += 1
        return seen

    def print(self) -> None:
        """Prints how many signals of each kind came in each phase."""
        print(f'{"":10}' + ''.join(f'{number.name:>9}' for number in SIGNALS) + '      all')
        for name in PHASES:
            row = [self.counts[name, number.name] for number in SIGNALS]
            print(f'{name:10}' + ''.join(f'{count:9}' for count in (*row, sum(row))))


def honest(number: int, victim: int, statuses: list[int], starting: bool = False) -> bool:
    """Whether the statuses say what happened: all done, all asked to end, or one dead and the others failing for it."""
    if set(statuses) == {0} or -1 in statuses:
        return -1 not in statuses
    if number != signal.SIGKILL:
        # Before it listens to signals, and after, they act as ever: it died of it.
        return set(statuses) == {128 + number} or (starting and statuses == [-number])
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
    parser.add_argument('--log-every', type=int, default=1, help='steps (1)')
    parser.add_argument('--eval-every', type=int, help='steps (half of them)')
    parser.add_argument('--heartbeat', type=int, default=10, help='seconds after which a silent process is dead (10)')
    parser.add_argument('--longest', type=float, default=5.0, help='seconds from the first step to the fault, at most')
    parser.add_argument('--seconds', type=float, default=float('inf'), help='after which no more faults are begun')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--folder', type=Path, help='where runs are left, and found; else they go')
    parser.add_argument('rest', nargs='*', help='more flags, after --')
    arguments = parser.parse_args()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # processes of a job in the background would ignore it
    with tempfile.TemporaryDirectory() as temporary:
        return faults(arguments, arguments.folder or Path(temporary))


def faults(arguments: argparse.Namespace, folder: Path) -> int:
    """See `main`."""
    chance, single = random.Random(arguments.seed), arguments.processes == 1
    eval_every = arguments.eval_every or arguments.steps // 2
    command = [sys.executable, '-m', 'jaxcolor.main', '--config=configs/quickstart.py:smoke']
    command += [] if single else ['--multihost', f'--heartbeat_seconds={arguments.heartbeat}']
    command += [f'--config.num_steps={arguments.steps}', f'--config.checkpoint_every={arguments.checkpoint_every}']
    command += [f'--config.log_every={arguments.log_every}', f'--config.eval_every={eval_every}', *arguments.rest]
    cache = {'JAX_COMPILATION_CACHE_DIR': str(folder / 'compiled'), 'JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS': '0'}

    def start(name: str, attempt: int) -> Cluster:
        line = [*command, f'--workdir={folder / name}']
        return Cluster.start(
            line, arguments.processes, arguments.devices, folder / 'logs' / f'{name}{attempt}', **cache
        )

    whole, broken, wrong = folder / 'whole', folder / 'broken', 0
    if arguments.steps not in complete(whole):
        undisturbed = start('whole', 0)
        if undisturbed.wait(1800) != [0] * arguments.processes:
            print('the undisturbed run failed:', undisturbed.output(0), sep='\n')
            return 1
    print('fault  signal   to  at step  in          statuses        ended in  resumes at  lost', flush=True)
    hunter = Hunter(broken, eval_every, arguments.longest, chance)
    deadline = time.monotonic() + arguments.seconds
    for attempt, (several, (wanted, alone)) in enumerate(
        itertools.islice(zip(itertools.cycle(FAULTS), itertools.cycle(each()), strict=False), arguments.faults)
    ):
        number, victim, seen = several[0], 0, 'any'
        cluster = start('broken', attempt)
        if single:
            number = alone
            seen = hunter.disturb(cluster, number, wanted)
        else:
            victim = 0 if several[1] else chance.randrange(1, arguments.processes)
            disturb(cluster, number, victim, chance.uniform(0, arguments.longest), broken)
        step, sent = done(broken), time.monotonic()
        statuses = cluster.wait(arguments.heartbeat + 120)
        ended, saved = time.monotonic() - sent, max(complete(broken), default=0)
        lost = max(0, done(broken) - saved)
        # What was saved last may still have been on its way to the disk, and a start finds what the last fault left.
        allowed = 2 * arguments.checkpoint_every if number == signal.SIGKILL or seen == 'start' else 0
        fine = honest(number, victim, statuses, seen == 'start') and lost <= allowed
        wrong += not fine
        shown = ' '.join(map(str, statuses))
        print(
            f'{attempt + 1:5}  {number.name}  {victim:2}  {step:7}  {seen:<10}  {shown:<15} {ended:6.1f} s  {saved:10}',
            end='',
        )
        print(f'  {lost:4}{"" if fine else "   WRONG"}', flush=True)
        if set(statuses) == {0}:
            print('the run is through; more --steps take more faults')
            break
        if time.monotonic() > deadline:
            break
    if single:
        hunter.print()
    if start('broken', arguments.faults).wait(1800) != [0] * arguments.processes:
        print('the disturbed run does not end')
        return wrong + 1
    return wrong + compare(whole, broken, arguments.steps)


def each() -> list[tuple[str, signal.Signals]]:
    """Every phase with every signal, two neighbours differing in both."""
    return [(PHASES[i % len(PHASES)], SIGNALS[i % len(SIGNALS)]) for i in range(len(PHASES) * len(SIGNALS))]


def compare(whole: Path, broken: Path, step: int) -> int:
    """Prints in what two runs of so many steps differ; returns in how many things."""
    expected, actual = arrays(whole, step), arrays(broken, step)
    outcomes = {
        f'{len(expected)} arrays of step {step}': expected.keys() == actual.keys()
        and all(np.array_equal(expected[name], actual[name]) for name in expected)
    }
    kinds: dict[str, Callable[[Path], dict[Any, Any]]] = {
        'lines of evaluations.jsonl': lambda run: dict(enumerate(timeless(run / 'evaluations.jsonl'))),
        'lines of losses.jsonl': lambda run: dict(enumerate(timeless(run / 'losses.jsonl'))),
        'scalars of TensorBoard': lambda run: {
            key: values for key, values in scalars(run).items() if key[0].rpartition('/')[2] not in TIMING
        },
        'sample pictures': lambda run: {path.name: path.read_bytes() for path in (run / 'samples').iterdir()},
    }
    for kind, read in kinds.items():
        found = read(broken)
        outcomes[f'{len(found)} {kind}'] = found == read(whole)
    for what, same in outcomes.items():
        print(f'{what} {"equal" if same else "DIFFER FROM"} those undisturbed')
    return list(outcomes.values()).count(False)


def timeless(path: Path) -> list[dict[str, float]]:
    """The entries of a .jsonl file without what says how fast it went."""
    return [{key: value for key, value in line.items() if key not in TIMING} for line in lines(path)]


if __name__ == '__main__':
    sys.exit(min(1, main()))
