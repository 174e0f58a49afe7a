"""Thousands of mutated pictures through the command line and through the server, as real processes.

    python tests/mutations.py --files 3000 [--seed 0] [--only colorize|serve]

`jaxcolor colorize` gets folders of 1000: each file must become a picture that opens or a line of its own, the status
must be 1 if a line says so, and no traceback may show. `jaxcolor serve` gets one request after another of each of 4
clients: each must be answered within a minute, with a picture, a 4xx, or a 503 with Retry-After. Prints what came of
them and the most memory that each process held; the exit status says whether all that held.
"""

import argparse
import collections
import os
import queue
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.serve import Client, wait_until_compiled
from helpers import fast_compile, mutations, runs
from PIL import Image

ROOT = Path(__file__).parents[1]
CEILING = 4 * 2**30  # bytes, of the server's memory as docs/serving.md says, and so of the command's
ADDRESSES = 12 * 2**30  # bytes
FOLDER = 1000  # files
SLOWEST = 60.0  # seconds for a request
LONGEST = 900.0  # for a folder
MARKS = ('Traceback', 'Exception ignored', 'Warning:', 'Segmentation', 'Aborted')


def environment() -> dict[str, str]:
    """What a person has, with a compiler that makes less effort."""
    flags = ' '.join(fast_compile.FLAGS)
    return {**os.environ, 'PYTHONPATH': str(ROOT), 'XLA_FLAGS': flags, 'PYTHONUNBUFFERED': '1', 'JAX_PLATFORMS': 'cpu'}


def colorize(files: list[tuple[str, bytes]], model: Path, folder: Path) -> tuple[list[str], float, float]:
    """Colours a folder; returns what is wrong, the seconds and the most bytes that it held."""
    source, results = folder / 'in', folder / 'out'
    source.mkdir(parents=True)
    for number, (suffix, content) in enumerate(files):
        (source / f'{number:04}{suffix}').write_bytes(content)
    command = ['sh', '-c', f'ulimit -v {ADDRESSES // 1024}; exec "$@"', 'sh']
    command += [sys.executable, '-m', 'jaxcolor.cli', 'colorize', str(source), f'--model={model}']
    command += [f'--output={results}', '--max-pixels=64000000']
    start = time.monotonic()
    process = subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    alarm = threading.Timer(LONGEST, process.kill)
    alarm.start()
    with most_memory(process.pid) as held:
        out, err = process.communicate()
    alarm.cancel()
    elapsed, wrong = time.monotonic() - start, [line for line in err.splitlines() if any(m in line for m in MARKS)]
    written = sorted(path for path in results.rglob('*') if path.is_file()) if results.is_dir() else []
    summary = re.search(r'(\d+) coloured(?:, (\d+) incomplete)?(?:.*?(\d+) failed)?', out)
    done, incomplete, failed = (int(number or 0) for number in summary.groups()) if summary else (0, 0, 0)
    if (done, done + failed) != (len(written), len(files)):
        wrong.append(f'{len(written)} of {len(files)} are written: {out[-300:]}')
    if process.returncode != int(bool(failed or incomplete)):
        wrong.append(f'status {process.returncode}: {out[-300:]} {err[-300:]}')
    if err.count('\nfailed: ') + err.startswith('failed: ') != failed:
        wrong.append(f'{failed} failed, and not as many lines say so')
    for path in written:
        try:
            with Image.open(path) as image:
                image.load()
        except (OSError, ValueError) as error:
            wrong.append(f'{path.name}: {error}')
    print(
        f'colorize {len(files)}: {done} coloured, {incomplete} of them incomplete; {failed} failed; '
        f'status {process.returncode}; {elapsed:.0f} s; {held[0] / 2**20:.0f} MiB',
        flush=True,
    )
    return wrong, elapsed, held[0]


@contextmanager
def most_memory(pid: int) -> Iterator[list[int]]:
    """Yields a list of one number, the most bytes that a process has held in the block."""
    held, ended = [0], threading.Event()

    def watch() -> None:
        while not ended.wait(0.1):
            try:
                status = Path(f'/proc/{pid}/status').read_text()
            except OSError:
                continue
            found = re.search(r'VmHWM:\s+(\d+) kB', status)
            held[0] = max(held[0], int(found[1]) * 1024 if found else 0)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield held
    finally:
        ended.set()
        watcher.join()


def serve(files: list[tuple[str, bytes]], model: Path, folder: Path) -> list[str]:
    """Sends all files to a server; returns what is wrong."""
    command = [sys.executable, '-m', 'jaxcolor.cli', 'serve', '--port=0', f'--model={model}']
    statuses: collections.Counter[str] = collections.Counter()
    seconds: list[float] = []
    wrong: list[str] = []
    jobs: queue.SimpleQueue[tuple[int, tuple[str, bytes]]] = queue.SimpleQueue()
    for job in enumerate(files):
        jobs.put(job)
    log = folder / 'serve.log'
    with (
        log.open('w') as file,
        subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, stderr=file, text=True) as process,
        most_memory(process.pid) as held,
    ):
        assert process.stdout
        port = int(process.stdout.readline().strip().rstrip('/').rpartition(':')[2])
        wait_until_compiled(port)
        start = time.monotonic()

        def send() -> None:
            client = Client(port)
            while True:
                try:
                    number, (suffix, content) = jobs.get_nowait()
                except queue.Empty:
                    return
                began = time.monotonic()
                try:
                    status, after, reason = client.post(content)
                except Exception as error:  # an answer that is no picture
                    status, after, reason = -1, 0, repr(error)
                seconds.append(time.monotonic() - began)
                statuses[str(status)] += 1
                right = status == 200 or 400 <= status < 500 or (status == 503 and after > 0)
                if not right or seconds[-1] > SLOWEST:
                    wrong.append(f'{number}{suffix}: {status} after {seconds[-1]:.0f} s: {reason}')

        clients = [threading.Thread(target=send) for _ in range(4)]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        elapsed = time.monotonic() - start
        if Client(port).get('/healthz') != 200:
            wrong.append('/healthz does not answer 200')
        process.terminate()
        process.wait(90)
    wrong += [line for line in log.read_text().splitlines() if any(m in line for m in MARKS)]
    if process.returncode:
        wrong.append(f'status {process.returncode}')
    if held[0] > CEILING:
        wrong.append(f'{held[0] / 2**20:.0f} MiB')
    shown = ', '.join(f'{count} x {status}' for status, count in sorted(statuses.items()))
    print(
        f'serve {len(files)}: {shown}; slowest {max(seconds):.1f} s; {elapsed:.0f} s; {held[0] / 2**20:.0f} MiB',
        flush=True,
    )
    return wrong


def main() -> int:
    """Runs both; returns the number of things that went wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--files', type=int, default=3000)
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--only', choices=('colorize', 'serve'))
    parser.add_argument('--folder', type=Path, help='where files and results are left; else they are removed')
    arguments = parser.parse_args()
    wrong = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        model = runs.run_maker(lambda name: folder / name)()
        files = list(mutations.mutated(arguments.files, arguments.seed))
        if arguments.only != 'serve':
            for first in range(0, len(files), FOLDER):
                found, _, held = colorize(files[first : first + FOLDER], model, folder / f'{first}')
                wrong += found + ([f'{held / 2**20:.0f} MiB'] if held > CEILING else [])
        if arguments.only != 'colorize':
            wrong += serve(files, model, folder)
    print('not as it should be: ' + ('\n'.join(wrong) or 'nothing'))
    return len(wrong)


if __name__ == '__main__':
    sys.exit(min(1, main()))
