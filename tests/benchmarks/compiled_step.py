"""What `tpu.py` and `gpu.py` share: the training step of a config, for accelerators that this machine lacks."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import ml_collections
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxcolor import experiments
from jaxcolor.distributed.parallel import AXIS
from jaxcolor.training import train_metrics
from jaxcolor.training.state import build_system, create_state
from jaxcolor.training.update import one_device

_COMPUTATION = re.compile(r'^(?:ENTRY )?%[\w.-]+ \(.*?^}', re.M | re.S)


def print_table(
    columns: Sequence[str],
    names: Sequence[str],
    devices: Sequence[Any],
    describe: Callable[[ml_collections.ConfigDict, Any], tuple[Sequence[str], Sequence[str]]],
    *,
    batch: int | None,
    dtype: str = 'bfloat16',
    text: Path | None = None,
) -> int:
    """Print a row for each experiment; return the exit status, 1 if one doesn't compile.

    Args:
      columns: all but the first, which names config and batch.
      names: of experiments; all if there are none.
      devices: to compile for.
      describe: a config and its compiled step -> the cells of its row, and lines to follow it.
      batch: pictures a device; None for the config's own.
      dtype: of the arithmetic.
      text: where the last compiled program is written to.
    """
    print(f'| config, batch a device | {" | ".join(columns)} |\n{"|---" * (len(columns) + 1)}|')
    status = 0
    for name in names or [name for name in experiments.paths() if name != 'quickstart']:
        config = prepare(experiments.get_config(name), batch, dtype)
        title = f'{name}, {config.data.batch_size}'
        try:
            compiled = compile_step(config, devices)
        except jax.errors.JaxRuntimeError as error:  # such as one that needs more memory than there is
            status = 1
            print(f'| {title} | {str(error).splitlines()[0]} |', flush=True)
            continue
        cells, more = describe(config, compiled)
        print(f'| {" | ".join([title, *cells])} |', *more, sep='\n', flush=True)
        if text:
            text.write_text(compiled.as_text())
    return status


def prepare(config: ml_collections.ConfigDict, batch: int | None, dtype: str) -> ml_collections.ConfigDict:
    """Return the config without what a run gets from data and files, and so compiles without them."""
    config.dtype, config.pretrained.weights = dtype, ''
    config.data.batch_size = batch or config.data.batch_size
    if config.space.name == 'palette':  # any colours: their values change no program's cost
        if config.space.spacing:
            config.space.size = 157  # as photographs have them with a spacing of 10
        width = 3 if config.space.basis == 'rgb' else 2
        config.space.centers = np.random.default_rng(0).uniform(0, 1, (config.space.size, width)).tolist()
        config.space.frequencies = [1 / config.space.size] * config.space.size
    return config


def compile_step(config: ml_collections.ConfigDict, devices: Sequence[Any]) -> Any:
    """Compile the step of `config` for `devices`; `config.data.batch_size` is of one of them."""
    mesh = Mesh(np.array(devices), (AXIS,))
    everywhere, each = NamedSharding(mesh, PartitionSpec()), NamedSharding(mesh, PartitionSpec(AXIS))

    system = build_system(config, AXIS, lambda: 100_000)
    size, batch, adversarial = config.data.image_size, config.data.batch_size, system.discriminator is not None
    update = one_device(system, seed=0, adversarial=adversarial)
    state = jax.eval_shape(lambda: create_state(system, size, jax.random.key(0)))
    averages = jax.eval_shape(lambda: train_metrics.empty(adversarial=adversarial))
    images = jax.ShapeDtypeStruct((len(devices), batch, size, size, 3), np.uint8, sharding=each)
    numbers = jax.ShapeDtypeStruct((len(devices),), np.int32, sharding=each)
    state, averages = (
        jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype, sharding=everywhere), tree)
        for tree in (state, averages)
    )
    step = jax.shard_map(
        lambda state, averages, image, number: update(state, averages, image[0], number[0]),
        mesh=mesh,
        in_specs=(PartitionSpec(), PartitionSpec(), PartitionSpec(AXIS), PartitionSpec(AXIS)),
        out_specs=PartitionSpec(),
        check_vma=False,
    )
    return jax.jit(step, donate_argnums=(0, 1)).lower(state, averages, images, numbers).compile()


def entry(text: str) -> str:
    """Return the computation that a compiled program runs, which calls the others."""
    return next(found[0] for found in _COMPUTATION.finditer(text) if found[0].startswith('ENTRY'))


def names(text: str) -> dict[str, str]:
    """Return what each operation of a compiled program comes from: network, layer and pass."""
    return {name: _short(source) for name, source in re.findall(r'%([\w.-]+) = .*?op_name="([^"]*)"', text)}


def memory(compiled: Any) -> int:
    """Return the bytes that a compiled program takes of a device's memory."""
    sizes = compiled.memory_analysis()
    parts = sum(getattr(sizes, f'{part}_size_in_bytes') for part in ('argument', 'output', 'temp'))
    return parts - sizes.alias_size_in_bytes


def _short(source: str) -> str:
    source = re.sub(r'jit\([^)]*\)/|shard_map/|closed_call/|checkpoint/|rematted_computation/', '', source)
    source = re.sub(r'jvp\((\w*)\)', r'\1', re.sub(r'transpose\(jvp\((\w*)\)\)', r'gradient of \1', source))
    return source or 'unnamed'
