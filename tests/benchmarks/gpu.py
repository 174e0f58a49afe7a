"""What XLA makes of the training step of a config for an NVIDIA H100, on a machine without one.

    make gpu OPTIONS='photos --kernels 12'
    python tests/benchmarks/gpu.py [CONFIG ...] [--devices 1] [--batch 16] [--kernels 12] [--text FILE]

The second line needs JAX's CUDA plugin, which `make gpu` gets, and which is no part of jaxcolor here.

Compiles the step of every device, gradients' all-reduces included, in bfloat16, and prints for each config: how many
kernels a step starts, how many of them are cuDNN's convolutions, the bytes that they read and write, how long that
takes at the least, the memory it takes, the all-reduces, and the kernels that move most, with the network and the pass
that they come from. Nothing of it is a timing: kernels take microseconds each to start, and cuDNN's choices are made on
a GPU alone.
"""

import argparse
import collections
import math
import os
import re
import sys
from pathlib import Path
from typing import Any, NamedTuple

# Before JAX is loaded; without what XLA chooses by trying, for that takes a GPU. Flags that were given stay.
os.environ |= {
    'JAX_PLATFORMS': 'cpu',
    'TF_CPP_MIN_LOG_LEVEL': '3',
    'XLA_FLAGS': f'--xla_gpu_autotune_level=0 --xla_gpu_enable_triton_gemm=false {os.environ.get("XLA_FLAGS", "")}',
}

import compiled_step
import ml_collections
from jax.experimental import topologies

# NVIDIA's figures of the H100 SXM5, as XLA asks for them.
H100 = """
gpu_device_info {
  cuda_compute_capability { major: 9 }
  core_count: 132 fpus_per_core: 128 clock_rate_ghz: 1.98
  threads_per_warp: 32 threads_per_block_limit: 1024 threads_per_core_limit: 2048
  registers_per_core_limit: 65536 registers_per_block_limit: 65536
  shared_memory_per_block: 49152 shared_memory_per_block_optin: 232448 shared_memory_per_core: 233472
  block_dim_limit_x: 2147483647 block_dim_limit_y: 65535 block_dim_limit_z: 65535
  memory_bandwidth: 3352320000000 l2_cache_size: 52428800 device_memory_size: 84929347584
}
platform_name: "CUDA"
dnn_version_info { major: 9 minor: 7 }
runtime_version { major: 12 minor: 8 }
device_description_str: "NVIDIA H100 80GB HBM3"
"""
BANDWIDTH, MEMORY = 3352.32e9, 84929347584  # bytes a second; bytes

_OPERATION = re.compile(r'^  (?:ROOT )?%(?P<name>[\w.-]+) = (?P<shape>.*?) (?P<kind>[\w-]+)\((?P<operands>.*)', re.M)
_NO_KERNEL = {'parameter', 'constant', 'tuple', 'get-tuple-element', 'bitcast', 'conditional', 'all-reduce-done'}
# Of s8 there is nothing but cuBLAS' room to work in, which counts as no traffic.
_BYTES = {'pred': 1, 's8': 0, 'u8': 1, 'bf16': 2, 'f16': 2, 's32': 4, 'u32': 4, 'f32': 4, 's64': 8, 'u64': 8, 'f64': 8}


class Step(NamedTuple):
    """What a step runs on one GPU."""

    convolutions: int  # by cuDNN
    all_reduces: int
    kernels: list[tuple[str, int]]  # those that move most first, each with the bytes that it reads and writes

    @property
    def bytes(self) -> int:
        """Bytes that all kernels read and write."""
        return sum(moved for _, moved in self.kernels)


def read(text: str) -> Step:
    """Read the kernels of a compiled step."""
    names, shapes, kinds, kernels = compiled_step.names(text), {}, collections.Counter[str](), []
    for found in _OPERATION.finditer(compiled_step.entry(text)):
        shapes[found['name']] = found['shape']
        if found['kind'] in _NO_KERNEL:
            continue
        target = re.search(r'custom_call_target="([^"]*)"', found['operands'])
        kind = target[1] if target else found['kind']
        kinds[kind.partition('$')[0]] += 1
        operands = re.findall(r'%([\w.-]+)', found['operands'].partition('), ')[0])
        moved = sum(_size(shape) for shape in (found['shape'], *(shapes.get(name, '') for name in operands)))
        shape = re.sub(r'\{.*?\}', '', found['shape'])
        kernels.append((f'{names.get(found["name"], "unnamed")}  {kind} {shape}', moved))
    return Step(
        convolutions=kinds['__cudnn'],
        all_reduces=kinds['all-reduce'] + kinds['all-reduce-start'],
        kernels=sorted(kernels, key=lambda kernel: -kernel[1]),
    )


def _size(shape: str) -> int:
    """Return the bytes of an array, or of all those of a tuple."""
    arrays = re.findall(r'(\w+)\[([\d,]*)\]', shape)
    return sum(
        _BYTES[dtype] * math.prod(int(length) for length in sides.split(',') if length) for dtype, sides in arrays
    )


def main() -> int:
    """Print the table; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('configs', nargs='*', metavar='CONFIG', help='all if none is named')
    parser.add_argument('--devices', type=int, default=1, help='GPUs of one machine (%(default)s)')
    parser.add_argument('--batch', type=int, help="pictures a GPU; the config's batch if not given")
    parser.add_argument('--kernels', type=int, default=0, help='how many to print, by bytes (%(default)s)')
    parser.add_argument('--text', type=Path, help='write the compiled program of the last config there')
    args = parser.parse_args()
    topology: Any = topologies.get_topology_desc('', 'cuda', topology=f'1x1x{args.devices}', target_config=H100)

    def describe(_: ml_collections.ConfigDict, compiled: Any) -> tuple[list[str], list[str]]:
        step = read(compiled.as_text())
        cells = [
            f'{len(step.kernels):,}',
            str(step.convolutions),
            f'{step.bytes / 1e9:.2f} GB, {step.bytes / BANDWIDTH * 1e3:.2f} ms',
            f'{compiled_step.memory(compiled) / 2**30:.2f} of {MEMORY / 2**30:.0f} GiB',
            str(step.all_reduces),
        ]
        return cells, [
            f'    {moved / 1e6:8.1f} MB  {moved / step.bytes:5.1%}  {kernel}'
            for kernel, moved in step.kernels[: args.kernels]
        ]

    columns = ('kernels', 'convolutions', 'memory traffic, at 3.35 TB/s', 'memory', 'all-reduces')
    given = {'batch': args.batch, 'text': args.text}
    return compiled_step.print_table(columns, args.configs, topology.devices, describe, **given)


if __name__ == '__main__':
    sys.exit(main())
