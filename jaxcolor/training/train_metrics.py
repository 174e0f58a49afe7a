"""Loss terms summed up on the device between two looks at them, so that no step waits for the host."""

from collections.abc import Mapping
from typing import Any

import flax
import jax
import jax.numpy as jnp
import numpy as np
from clu import metrics
from flax import serialization
from flax.traverse_util import flatten_dict, unflatten_dict
from jaxtyping import Array, Bool, Int

from jaxcolor.training.accumulation import Terms

_NEVER = jnp.iinfo(jnp.int32).max
_BROKEN = '_broken'

_Step = Int[Array | np.ndarray, '']  # NumPy's once fetched

_LOSSES = (
    'generator_loss',
    'reconstruction',
    'adversarial',
    'discriminator_loss',
    'discriminator_real',
    'discriminator_fake',
)  # a run ends at the first that is not finite
GENERATOR_TERMS = (*_LOSSES[:2], 'generator_grad_norm', 'generator_update_ratio')
ADVERSARIAL_TERMS = (
    *GENERATOR_TERMS,
    *_LOSSES[2:],
    'discriminator_accuracy_real',
    'discriminator_accuracy_fake',
    'discriminator_grad_norm',
    'discriminator_update_ratio',
)


class NonFiniteError(Exception):
    """A loss was infinite or not a number; `step` is the first such step, `terms` those it befell."""

    remedy = 'lower the learning rates or loss weights, or use --config.dtype=float32, and run again'

    def __init__(self, step: int, terms: list[str]):
        super().__init__(f'step {step}: {", ".join(terms)} not finite')
        self.step, self.terms = step, terms


@flax.struct.dataclass
class _FirstStep(metrics.Metric):
    """The smallest step number that was put in."""

    step: _Step

    @classmethod
    def empty(cls) -> '_FirstStep':
        return cls(step=jnp.asarray(_NEVER, jnp.int32))

    @classmethod
    def from_model_output(cls, values: _Step, **_: Any) -> '_FirstStep':
        return cls(step=values)

    def merge(self, other: '_FirstStep') -> '_FirstStep':
        return self.replace(step=jnp.minimum(self.step, other.step))

    def compute(self) -> _Step:
        return self.step


@flax.struct.dataclass
class _Measured(metrics.Average):
    """The mean of what is finite: of what was measured at all, and did not overflow."""

    @classmethod
    def from_model_output(cls, values: Any, **_: Any) -> '_Measured':
        measured = jnp.isfinite(values)
        return cls(total=jnp.where(measured, values, 0.0), count=measured.astype(jnp.int32))

    def compute(self) -> Any:
        return self.total / self.count if self.count else np.nan


def _collection(names: tuple[str, ...]) -> type[metrics.Collection]:
    means = {name: (metrics.Average if name in _LOSSES else _Measured).from_output(name) for name in names}
    first_broken = {name + _BROKEN: _FirstStep.from_output(name + _BROKEN) for name in names if name in _LOSSES}
    return metrics.Collection.create(**means, **first_broken)


_COLLECTIONS = {names: _collection(names) for names in (GENERATOR_TERMS, ADVERSARIAL_TERMS)}


def empty(*, adversarial: bool) -> metrics.Collection:
    """Return empty metrics, of both players or of a generator alone."""
    return _COLLECTIONS[ADVERSARIAL_TERMS if adversarial else GENERATOR_TERMS].empty()


def add(collected: metrics.Collection, terms: Terms, step: Int[Array, '']) -> metrics.Collection:
    """Return `collected` with the terms of one step, the same on every device, added."""
    broken = {name + _BROKEN: jnp.where(jnp.isfinite(terms[name]), _NEVER, step) for name in _LOSSES if name in terms}
    return collected.merge(type(collected).single_from_model_output(**terms, **broken))


def means(collected: metrics.Collection) -> dict[str, float]:
    """Fetch the metrics and return the mean of each term, but for norms that were not measured, or not finite.

    Raises:
      NonFiniteError: some loss was not finite in some step.
    """
    values = jax.device_get(collected).compute()
    broken = {name.removesuffix(_BROKEN): int(step) for name, step in values.items() if name.endswith(_BROKEN)}
    first = min(broken.values())
    if first < _NEVER:
        raise NonFiniteError(first, [name for name, step in broken.items() if step == first])
    return {name: float(value) for name, value in values.items() if not name.endswith(_BROKEN) and np.isfinite(value)}


def to_json(collected: metrics.Collection) -> dict[str, int | float]:
    """Fetch metrics, as numbers by dotted names, from which `from_json` makes them again bit for bit."""
    tree = serialization.to_state_dict(jax.device_get(collected))
    return {name: value.item() for name, value in flatten_dict(tree, sep='.').items()}


def from_json(values: Mapping[str, int | float], *, adversarial: bool) -> metrics.Collection:
    """Return the metrics that `to_json` wrote; empty ones where those were of other terms, or there were none."""
    new = empty(adversarial=adversarial)
    tree = flatten_dict(serialization.to_state_dict(new), sep='.')
    if tree.keys() != values.keys():
        return new
    found = {name: jnp.asarray(values[name], array.dtype) for name, array in tree.items()}
    return serialization.from_state_dict(new, unflatten_dict(found, sep='.'))


def check_finite(step: int, state: Any) -> None:
    """Check a state that is about to be saved.

    Raises:
      NonFiniteError: some number in `state`, as it is after `step`, is not finite.
    """
    if not _all_finite(state):
        raise NonFiniteError(step, ['parameters'])


@jax.jit
def _all_finite(tree: Any) -> Bool[Array, '']:
    return jnp.all(jnp.stack([jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(tree)]))
