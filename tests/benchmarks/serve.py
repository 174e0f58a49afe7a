"""The server under load on loopback: mixed sizes, some garbage; latencies, errors and memory.

    python tests/benchmarks/serve.py --model runs/photos [--requests 500] [--clients 8] [--photographs FOLDER]

Each client sends one picture after another. A twentieth of them are no pictures and should get a 4xx; all else
should get a picture. Memory is read at the 100th answer and at the last.
"""

import argparse
import collections
import io
import json
import random
import statistics
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import uuid
from pathlib import Path

import numpy as np
from PIL import Image

_SIZES = ((320, 240), (640, 480), (800, 600), (768, 1024), (1024, 768), (1600, 1200), (1000, 1500))
_GARBAGE = (b'', b'no picture', b'\xff\xd8\xff\xe0' + bytes(500), b'\x89PNG\r\n\x1a\n' + bytes(500))


def photographs(folder: Path | None) -> list[bytes]:
    """Returns files: those of a folder, or smooth noise in several formats and sizes."""
    if folder:
        return [path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()]
    rng = np.random.default_rng(0)
    files = []
    for i, size in enumerate(_SIZES):
        noise = Image.fromarray(rng.integers(0, 256, (size[1] // 40, size[0] // 40), np.uint8))
        file = io.BytesIO()
        noise.resize(size, Image.Resampling.BICUBIC).save(file, ('JPEG', 'PNG', 'WEBP')[i % 3])
        files.append(file.getvalue())
    return files


def post(url: str, content: bytes) -> tuple[int, str]:
    """Sends a picture; returns the status, and the reason if it isn't 200."""
    boundary = uuid.uuid4().hex
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="image"; filename="photograph"\r\n\r\n'
    request = urllib.request.Request(
        f'{url}v1/colorize',
        head.encode() + content + f'\r\n--{boundary}--\r\n'.encode(),
        {'Content-Type': f'multipart/form-data; boundary={boundary}'},
    )
    try:
        with urllib.request.urlopen(request, timeout=180) as answer:
            Image.open(io.BytesIO(answer.read())).load()
            return answer.status, ''
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())['detail']
    except OSError as error:
        return 0, str(error)


def memory(pid: int) -> float:
    """Returns what a process holds, in MiB."""
    (line,) = (line for line in Path(f'/proc/{pid}/status').read_text().splitlines() if line.startswith('VmRSS'))
    return int(line.split()[1]) / 1024


def load(url: str, pid: int, files: list[bytes], requests: int, clients: int) -> None:
    """Sends all requests and prints what came of them."""
    rng = random.Random(0)
    jobs = collections.deque(
        (True, rng.choice(_GARBAGE)) if i % 20 == 19 else (False, rng.choice(files)) for i in range(requests)
    )
    seconds, wrong, held = [], collections.Counter(), {}
    lock = threading.Lock()
    done = 0

    def client() -> None:
        nonlocal done
        while True:
            try:
                garbage, content = jobs.popleft()
            except IndexError:
                return
            start = time.perf_counter()
            status, reason = post(url, content)
            elapsed = time.perf_counter() - start
            with lock:
                done += 1
                if not garbage:
                    seconds.append(elapsed)
                if (status != 200) if not garbage else not 400 <= status < 500:
                    wrong[f'{status} {reason}'] += 1
                if done in (100, requests):
                    held[done] = memory(pid)

    threads = [threading.Thread(target=client) for _ in range(clients)]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    elapsed = time.perf_counter() - start
    cuts = statistics.quantiles(seconds, n=20)
    print(f'{requests} requests of {clients} clients in {elapsed:.1f} s: {requests / elapsed:.1f} a second')
    print(f'p50 {1000 * statistics.median(seconds):.0f} ms   p95 {1000 * cuts[-1]:.0f} ms   max {max(seconds):.2f} s')
    print('memory: ' + ', '.join(f'{size:.0f} MiB after {count}' for count, size in sorted(held.items())))
    print('errors: ' + (', '.join(f'{count} x {what}' for what, count in wrong.items()) or 'none but for garbage'))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--model', required=True, help='the work directory of a run')
    parser.add_argument('--requests', type=int, default=500)
    parser.add_argument('--clients', type=int, default=8)
    parser.add_argument('--photographs', type=Path, help='a folder of files to send instead of noise')
    args = parser.parse_args()
    command = [sys.executable, '-m', 'jaxcolor.cli', 'serve', '--model', args.model, '--port', '0']
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout
        url = process.stdout.readline().rpartition(' ')[2].strip()
        try:
            files = photographs(args.photographs)
            for content in files:  # compiles the shapes
                post(url, content)
            load(url, process.pid, files, args.requests, args.clients)
        finally:
            process.terminate()
    print(f'the server ended with status {process.returncode}')


if __name__ == '__main__':
    main()
