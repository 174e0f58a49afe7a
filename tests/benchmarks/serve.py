"""The server under load on loopback: pictures of many shapes, some garbage; latencies, errors and memory.

    python tests/benchmarks/serve.py [--model runs/photos] [--clients 16] [--requests 50] [--hostile]

Each client sends one picture after another, of `--shapes` sizes: four in five of them small, of 0.01 to 0.5 megapixels,
the others up to 12. A twentieth are no pictures and should get a 4xx; all else should get a picture, or a 503 with
Retry-After, which the client follows. Small ones of the first 100 answers are counted apart: all clients begin at once.
`--hostile` does the same while one more address sends nothing but strips, and another opens 600 connections again and
again; meanwhile the probes are asked, from that very address too.
"""

import argparse
import collections
import http.client
import io
import json
import os
import random
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
from PIL import Image

_GARBAGE = (b'', b'no picture', b'\xff\xd8\xff\xe0' + bytes(500), b'\x89PNG\r\n\x1a\n' + bytes(500))
_SMALL = 500_000  # pixels
_WARM_UP = 100  # answers: clients that begin all at once are a crowd that no later moment has
_HOSTILE = '127.0.0.2'  # the address of the one with the connections, on the same loopback
_STRIPS = '127.0.0.3'


def pictures(shapes: int) -> list[tuple[bool, bytes]]:
    """Returns files of so many sizes, smooth noise in several formats, and whether each is small."""
    rng = random.Random(0)
    made = []
    for i in range(shapes):
        pixels = rng.uniform(10_000, _SMALL) if i % 5 else 10 ** rng.uniform(5.8, 7.08)
        ratio = 2 ** rng.uniform(-2, 2)
        made.append((bool(i % 5), picture(round((pixels * ratio) ** 0.5), round((pixels / ratio) ** 0.5), i)))
    return made


def picture(width: int, height: int, number: int = 0, kind: str = '') -> bytes:
    """Returns the file of a picture, every third of them in colour."""
    channels = (3,) if number % 3 == 1 else ()
    coarse = np.random.default_rng(number).integers(0, 256, (6, 8, *channels), np.uint8)
    file = io.BytesIO()
    image = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
    image.save(file, kind or ('JPEG', 'PNG', 'WEBP', 'JPEG')[number % 4])
    return file.getvalue()


class Client:
    """One connection to the server, from an address of loopback."""

    def __init__(self, port: int, address: str = '127.0.0.1'):
        self._port, self._address = port, address
        self._connection: http.client.HTTPConnection | None = None

    def get(self, path: str) -> int:
        connection = http.client.HTTPConnection('127.0.0.1', self._port, 10, source_address=(self._address, 0))
        try:
            connection.request('GET', path)
            return connection.getresponse().status
        finally:
            connection.close()

    def post(self, content: bytes) -> tuple[int, int, str]:
        """Sends a picture; returns the status, Retry-After, and Server-Timing or, if it isn't 200, the reason.

        0: no answer.
        """
        head = b'--b\r\nContent-Disposition: form-data; name="image"; filename="photograph"\r\n\r\n'
        connection = self._connection or http.client.HTTPConnection(
            '127.0.0.1', self._port, 180, source_address=(self._address, 0)
        )
        self._connection = None
        try:
            connection.request(
                'POST',
                '/v1/colorize',
                head + content + b'\r\n--b--\r\n',
                {'Content-Type': 'multipart/form-data; boundary=b'},
            )
            answer = connection.getresponse()
            body = answer.read()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            return 0, 0, repr(error)
        if answer.status != 200:
            connection.close()  # who comes again after some seconds would find it closed
            return answer.status, int(answer.headers.get('Retry-After', 0)), json.loads(body)['detail']
        self._connection = connection
        Image.open(io.BytesIO(body)).verify()
        return 200, 0, answer.headers['Server-Timing']


def memory(pid: int) -> float:
    """Returns what a process holds, in MiB."""
    (line,) = (line for line in Path(f'/proc/{pid}/status').read_text().splitlines() if line.startswith('VmRSS'))
    return int(line.split()[1]) / 1024


class Load:
    """Mixed requests of many clients, and what came of them."""

    def __init__(self, port: int, pid: int, files: list[tuple[bool, bytes]], requests: int, clients: int):
        self._port, self._pid, self._count = port, pid, requests * clients
        self._clients = clients
        rng = random.Random(1)
        self._jobs = collections.deque(
            ('garbage', rng.choice(_GARBAGE)) if i % 20 == 19 else self._named(*files[i % len(files)])
            for i in rng.sample(range(self._count), self._count)
        )
        self._lock = threading.Lock()
        self.stages: list[tuple[float, dict[str, float]]] = []  # of small pictures
        self.seconds: dict[str, list[float]] = collections.defaultdict(list)
        self.statuses: collections.Counter[str] = collections.Counter()
        self.wrong: collections.Counter[str] = collections.Counter()
        self.held: list[float] = []

    def _named(self, small: bool, content: bytes) -> tuple[str, bytes]:
        return ('small' if small else 'large'), content

    def run(self) -> None:
        """Sends all requests."""
        threads = [threading.Thread(target=self._client) for _ in range(self._clients)]
        start = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self._print(time.perf_counter() - start)

    def _client(self) -> None:
        client = Client(self._port)
        while True:
            try:
                kind, content = self._jobs.popleft()
            except IndexError:
                return
            start = time.perf_counter()
            status, after, reason = client.post(content)
            while status == 503 and after:
                self.statuses[f'503, Retry-After {after}'] += 1
                time.sleep(after)
                start = time.perf_counter()
                status, after, reason = client.post(content)
            elapsed = time.perf_counter() - start
            with self._lock:
                self.statuses[str(status)] += 1
                self.seconds[kind if len(self.held) >= _WARM_UP or kind != 'small' else 'at first'].append(elapsed)
                if kind == 'small' and status == 200:
                    self.stages.append((elapsed, {k: float(v) for k, v in re.findall(r'(\w+);dur=([\d.]+)', reason)}))
                if (status != 200) if kind != 'garbage' else not 400 <= status < 500:
                    self.wrong[f'{kind}: {status} {reason}'] += 1
                self.held.append(memory(self._pid))

    def _print(self, elapsed: float) -> None:
        print(
            f'{self._count} requests of {self._clients} clients in {elapsed:.0f} s: '
            f'{self._count / elapsed:.1f} a second'
        )
        for kind, seconds in sorted(self.seconds.items()):
            cuts = statistics.quantiles(seconds, n=20)
            median = statistics.median(seconds)
            print(
                f'{kind:8} {len(seconds):4}: p50 {median:.2f} s   p95 {cuts[-1]:.2f} s '
                f'({cuts[-1] / median:.1f} times)   max {max(seconds):.2f} s'
            )
        slow = sorted(self.stages, key=lambda stage: stage[0])[-max(1, len(self.stages) // 20) :]
        means = {name: statistics.mean(stages[name] for _, stages in slow) / 1000 for name in slow[0][1]}
        print('the slowest small ones: ' + ', '.join(f'{name} {seconds:.2f} s' for name, seconds in means.items()))
        print('statuses: ' + ', '.join(f'{count} x {status}' for status, count in sorted(self.statuses.items())))
        quarters = [self.held[len(self.held) * i // 4 - 1] for i in (1, 2, 3, 4)]
        print(
            'memory at each quarter: '
            + ', '.join(f'{size:.0f}' for size in quarters)
            + f' MiB; most {max(self.held):.0f}'
        )
        print('not as it should be: ' + (', '.join(f'{n} x {what}' for what, n in self.wrong.items()) or 'nothing'))


class Hostile:
    """One client with nothing but strips, one with 600 connections that say nothing, and probes meanwhile."""

    def __init__(self, port: int):
        self._port = port
        self._ended = threading.Event()
        self._strips: collections.Counter[str] = collections.Counter()
        self._probes: collections.Counter[str] = collections.Counter()
        self._slowest = 0.0
        self._opened = 0
        self._threads = [threading.Thread(target=work) for work in (self._send_strips, self._connect, self._probe)]

    def __enter__(self) -> 'Hostile':
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()
        print(f'strips: {dict(self._strips)}; connections opened: {self._opened}')
        print(
            f'probes, half of them from the address with the connections: {dict(self._probes)}; '
            f'slowest {self._slowest:.2f} s'
        )

    def _send_strips(self) -> None:
        strips = [picture(*size, kind='PNG') for size in ((2, 30_000_000), (65_535, 2), (2, 65_535), (65_000, 900))]
        client = Client(self._port, _STRIPS)
        number = 0
        while not self._ended.is_set():
            status, after, _ = client.post(strips[number % len(strips)])
            self._strips[str(status)] += 1
            number += 1
            self._ended.wait(after)

    def _connect(self) -> None:
        while not self._ended.is_set():
            connections = []
            for _ in range(600):
                try:
                    connection = socket.create_connection(('127.0.0.1', self._port), 5, (_HOSTILE, 0))
                    connection.sendall(b'POST /v1/colorize HTTP/1.1\r\nHost: x\r\n')
                except OSError:
                    continue
                connections.append(connection)
                self._opened += 1
            self._ended.wait(5)
            for connection in connections:
                connection.close()

    def _probe(self) -> None:
        while not self._ended.wait(0.25):
            for address in ('127.0.0.1', _HOSTILE):
                start = time.perf_counter()
                try:
                    status = str(Client(self._port, address).get('/healthz'))
                except (OSError, http.client.HTTPException) as error:
                    status = repr(error)
                self._probes[status] += 1
                self._slowest = max(self._slowest, time.perf_counter() - start)


def wait_until_compiled(port: int) -> None:
    """Returns once no program is left to be compiled."""
    while True:
        connection = http.client.HTTPConnection('127.0.0.1', port, 10)
        connection.request('GET', '/metrics')
        if re.search(rb'^jaxcolor_programs_left 0\.0', connection.getresponse().read(), re.MULTILINE):
            return
        time.sleep(0.5)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--model', help='the work directory of a run; the model that comes along if left out')
    parser.add_argument('--clients', type=int, default=16)
    parser.add_argument('--requests', type=int, default=50, help='of each client')
    parser.add_argument('--shapes', type=int, default=100)
    parser.add_argument('--hostile', action='store_true')
    args = parser.parse_args()
    command = [sys.executable, '-m', 'jaxcolor.cli', 'serve', '--port', '0']
    command += ['--model', args.model] if args.model else []
    with (
        tempfile.TemporaryFile('w+') as log,
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=log, text=True, env={**os.environ, 'PYTHONUNBUFFERED': '1'}
        ) as process,
    ):
        assert process.stdout
        start = time.perf_counter()
        port = int(process.stdout.readline().strip().rstrip('/').rpartition(':')[2])
        try:
            wait_until_compiled(port)
            print(f'all programs are there after {time.perf_counter() - start:.0f} s; {memory(process.pid):.0f} MiB')
            files = pictures(args.shapes)
            load = Load(port, process.pid, files, args.requests, args.clients)
            if args.hostile:
                with Hostile(port):
                    load.run()
            else:
                load.run()
        finally:
            process.terminate()
            process.wait(90)
        log.seek(0)
        trouble = [line for line in log if 'Traceback' in line or line.startswith(('ERROR', 'WARNING'))]
    print(f'the server ended with status {process.returncode}; errors and warnings in its log: {len(trouble)}')
    print(*trouble[:5], sep='')


if __name__ == '__main__':
    main()
