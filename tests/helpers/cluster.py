"""Several processes on this machine that run the same line, and what their runs leave behind."""

import collections
import dataclasses
import json
import os
import socket
import struct
import subprocess
import time
from pathlib import Path

import numpy as np
import tensorstore
from helpers import fast_compile
from tensorboardX.proto.event_pb2 import Event

ROOT = Path(__file__).parents[2]


@dataclasses.dataclass
class Cluster:
    """Processes on this machine that run the same line, each with its virtual devices."""

    processes: list[subprocess.Popen[bytes]]
    logs: list[Path]

    @classmethod
    def start(cls, command: list[str], count: int, devices: int, folder: Path, **environment: str) -> 'Cluster':
        """Starts `count` processes of `command`; their output goes to `folder`/<process>.log."""
        with socket.socket() as free:
            free.bind(('127.0.0.1', 0))
            address = f'127.0.0.1:{free.getsockname()[1]}'
        folder.mkdir(parents=True, exist_ok=True)
        logs = [folder / f'{p}.log' for p in range(count)]
        processes = []
        for p, log in enumerate(logs):
            cluster = {'JAX_COORDINATOR_ADDRESS': address, 'JAX_NUM_PROCESSES': str(count), 'JAX_PROCESS_ID': str(p)}
            flags = ' '.join((*fast_compile.FLAGS, f'--xla_force_host_platform_device_count={devices}'))
            ours = {'JAX_PLATFORMS': 'cpu', 'XLA_FLAGS': flags, 'PYTHONPATH': str(ROOT), **cluster, **environment}
            with log.open('wb') as file:
                processes.append(
                    subprocess.Popen(command, cwd=ROOT, env=os.environ | ours, stdout=file, stderr=subprocess.STDOUT)
                )
        return cls(processes, logs)

    def output(self, process: int) -> str:
        """What a process has printed so far."""
        return self.logs[process].read_text(errors='replace')

    def running(self) -> bool:
        """Whether none has ended."""
        return all(process.poll() is None for process in self.processes)

    def wait(self, seconds: float) -> list[int]:
        """Waits until all have ended and returns their statuses; kills those that do not, and says -1 of them."""
        deadline = time.monotonic() + seconds
        statuses = []
        for process in self.processes:
            try:
                statuses.append(process.wait(max(0.0, deadline - time.monotonic())))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                statuses.append(-1)
        return statuses


def arrays(workdir: Path, step: int) -> dict[str, np.ndarray]:
    """Every array of a checkpoint, read without Orbax."""
    store = {'driver': 'ocdbt', 'base': f'file://{workdir}/checkpoints/{step}/state/'}
    names = sorted(
        key.decode().removesuffix('/.zarray')
        for key in tensorstore.KvStore.open(store).result().list().result()
        if key.endswith(b'/.zarray')
    )
    return {
        name: tensorstore.open({'driver': 'zarr', 'kvstore': {**store, 'path': name + '/'}}).result().read().result()
        for name in names
    }


def lines(path: Path) -> list[dict[str, float]]:
    """The entries of a .jsonl file; none if it is not there yet."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def scalars(workdir: Path) -> dict[tuple[str, int], list[float]]:
    """What TensorBoard shows: each number of the events files, by tag and step; more than one if it is there twice."""
    found = collections.defaultdict(list)
    for path in sorted(workdir.glob('events.out.tfevents.*')):
        data = path.read_bytes()
        while data:  # records: length, check, data, check
            (length,) = struct.unpack('<Q', data[:8])
            event = Event.FromString(data[12 : 12 + length])
            data = data[16 + length :]
            for value in event.summary.value:
                if value.HasField('simple_value'):
                    found[value.tag, event.step].append(value.simple_value)
    return dict(found)
