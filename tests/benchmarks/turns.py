"""What all benchmarks share: sides that take turns, processes whose first line is waited for, one Markdown table."""

import datetime
import importlib.metadata
import os
import platform
import re
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

COLUMNS = ('what', 'jaxcolor', 'beside it', 'ratio', 'from the start', 'compiled before', 'PyTorch, from the start')


class Row(NamedTuple):
    """A line of the table: numbers of the same unit, and the seconds of a fresh process."""

    what: str
    unit: str
    ours: float
    theirs: Mapping[str, float] = {}  # by name; the ratio is to the best
    seconds: Sequence[float] = ()  # jaxcolor's with nothing compiled, then with all; PyTorch's

    def __str__(self) -> str:
        """Return the line, Markdown."""
        beside, ratio = '', ''
        if self.theirs:
            ratio = f'{self.ratio:.2f}'
            beside = ', '.join(f'{number(value)} ({name})' for name, value in self.theirs.items())
        seconds = [f'{value:.1f} s' for value in self.seconds]
        cells = [self.what, f'{number(self.ours)} {self.unit}', beside, ratio, *seconds]
        return f'| {" | ".join([*cells, *[""] * (len(COLUMNS) - len(cells))])} |'

    @property
    def ratio(self) -> float:
        """How many times as good jaxcolor is as the best beside it: of seconds the fewest are."""
        if self.unit == 's':
            return min(self.theirs.values()) / self.ours
        return self.ours / max(self.theirs.values())


def number(value: float) -> str:
    """Return a figure of three or more digits."""
    return f'{value:,.0f}' if value >= 1000 else f'{value:.1f}' if value >= 10 else f'{value:.2f}'


def heading() -> str:
    """Return the date, the processor, its cores and the versions, and the head of the table."""
    versions = []
    for name, package in (('jax', 'jax'), ('jaxlib', 'jaxlib'), ('PyTorch', 'torch')):
        try:
            versions.append(f'{name} {importlib.metadata.version(package)}')
        except importlib.metadata.PackageNotFoundError:
            versions.append(f'no {name}')
    today = datetime.date.today().isoformat()
    words = [today, processor(), f'{os.cpu_count()} cores', f'Python {platform.python_version()}', *versions]
    return f'{", ".join(words)}:\n\n| {" | ".join(COLUMNS)} |\n{"|---" * len(COLUMNS)}|'


def processor() -> str:
    """Return the name of the processor."""
    try:
        found = re.search(r'^model name\s*: (.*)$', Path('/proc/cpuinfo').read_text(), re.MULTILINE)
    except OSError:
        found = None
    return found[1] if found else platform.processor() or platform.machine()


def best_times(steps: Mapping[str, Callable[[], object]], seconds: float, several: int = 3) -> dict[str, float]:
    """Let functions take turns of `several` calls for about `seconds` in all; return each one's best time of a call.

    Each has been called twice before, so that all is compiled.
    """
    best = dict.fromkeys(steps, float('inf'))
    for run in steps.values():
        run()
        run()
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        for name, run in steps.items():
            for _ in range(several):
                start = time.perf_counter()
                run()
                best[name] = min(best[name], time.perf_counter() - start)
    return best


def until_first_line(command: Sequence[str], given: str = '', cache: str = '') -> tuple[float, str]:
    """Return the seconds from the start of a process to the end of the first line that it says; and all after that.

    Args:
      command: what to run; SystemExit where it fails.
      given: what it finds on its input.
      cache: the folder of what is kept compiled, instead of the user's.
    """
    environment = {name: value for name, value in os.environ.items() if name != 'JAX_COMPILATION_CACHE_DIR'}
    start = time.perf_counter()
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment | ({'XDG_CACHE_HOME': cache} if cache else {}),
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(given)
        process.stdin.close()
        process.stdout.readline()
        seconds = time.perf_counter() - start
        rest = process.stdout.read()
    if process.returncode:
        raise SystemExit(f'{" ".join(command)} ended with status {process.returncode}')
    return seconds, rest
