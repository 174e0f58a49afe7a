"""Fine-tune a model that says what colours are likely, so that its pictures look real as well as likely.

    python -m jaxcolor.training.realism MODEL --source folder:/path/to/photographs --output FILE.safetensors
        [--batch-size 16] [--steps 300]

To the cross-entropy that trained it come the distance of generated and true pictures in the features of
EfficientNet-Lite0, and a discriminator of patches of chroma. They see the picture that people see: the mean colour at
the model's own vividness, of pictures of its own size. BatchNorm's statistics stay as they are, for those of batches of
16 are too coarse.

References:
  Johnson et al. 2016, "Perceptual losses for real-time style transfer and super-resolution"; Lim and Ye 2017,
  "Geometric GAN".
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int, UInt8
from tqdm import tqdm

from jaxcolor import compilation_cache, storage
from jaxcolor.checkpoints import weights_file
from jaxcolor.checkpoints.load import load
from jaxcolor.checkpoints.model import Model
from jaxcolor.color import convert
from jaxcolor.color.palette import Palette
from jaxcolor.color.resampling import shrink
from jaxcolor.color.spaces import flip
from jaxcolor.data import pipeline
from jaxcolor.data.dataset import Dataset
from jaxcolor.errors import UserError
from jaxcolor.evaluation.measures import lite0
from jaxcolor.models.discriminators import PatchGAN
from jaxcolor.training import hints, losses

FEATURE_WEIGHT, ADVERSARIAL_WEIGHT = 0.3, 0.1  # beside the cross-entropy's 1
_LEVELS = slice(1, 4)  # of the features: those at 1/4, 1/8 and 1/16 of the picture's size
_EMA_DECAY = 0.995
_CHROMA = 50.0  # what the discriminator sees is about [-1, 1]

Images = UInt8[Array, 'b s s 3']
Terms = dict[str, Float[Array, '']]


class State(NamedTuple):
    """All that a step replaces."""

    step: Int[Array, '']
    params: Any
    opt_state: Any
    ema_params: Any
    discriminator: Any  # its variables
    discriminator_opt_state: Any


Step = Callable[[State, Images], tuple[State, Terms]]


def fine_tune(model: Model, source: str, batch_size: int = 16, steps: int = 300) -> Model:
    """Return the model after so many steps on one device, its parameters averaged over the last 200 or so.

    Args:
      model: of a palette of chroma, whose colour is a mean (`space.temperature` above 0).
      source: of the training pictures, as `data.source`; their shorter side becomes the model's `data.image_size`.
      batch_size: pictures a step.
      steps: how many; the rate rises in the first 100.

    Raises:
      UserError: the model has no such palette, there are no steps, or the pictures or EfficientNet-Lite0 can't be read.
    """
    space = model.space
    if not isinstance(space, Palette) or not space.temperature or space.basis == 'rgb':
        raise UserError(
            f'space={model.config.space.name!r} of this model does not tell the mean of likely chroma; use a model of '
            "configs/photos.py, or one of space='palette' with basis lab or luv and a temperature above 0"
        )
    if steps < 1:
        raise UserError(f'steps={steps} leave the model as it is; use 1 or more')
    config = model.config.copy_and_resolve_references()
    config.data.update(source=source, batch_size=batch_size, resize=None, max_resize=None, min_colorfulness=0.0)
    state, step = prepare(model, space)
    batches = pipeline.train_batches(Dataset(config.data), seed=config.seed)
    with tqdm(range(steps), 'fine-tuning', unit='step', dynamic_ncols=True) as progress:
        for _ in progress:
            state, terms = step(state, jnp.asarray(next(batches)['image']))
            progress.set_postfix({name: f'{float(term):.3f}' for name, term in terms.items()}, refresh=False)
    if not np.isfinite(float(optax.tree.norm(state.ema_params))):
        raise UserError('the parameters are no longer finite; take fewer steps, or other pictures')
    return model._replace(variables=model.variables | {'params': jax.device_get(state.ema_params)})


def prepare(model: Model, space: Palette) -> tuple[State, Step]:
    """Return the state before the first step, and the step, compiled: pure but that it reuses the state's memory."""
    generator: Any = model.generator
    discriminator: Any = PatchGAN(n_layers=2, norm='none', spectral_norm=1)
    features: Any
    features, feature_params = lite0('loss', 'features')
    variables = model.variables
    statistics = {'batch_stats': variables['batch_stats']}
    ramp = optax.linear_schedule(0.0, 5e-5, 100)
    optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.adam(ramp, b1=0.5))
    discriminator_optimizer = optax.adam(2e-4, b1=0.5)
    reconstruction = losses.reconstruction('cross_entropy', space)
    seed = jax.random.key(model.config.seed)

    def start() -> State:
        color = jnp.zeros((1, 32, 32, 2))  # of any size
        params = jax.tree.map(jnp.asarray, variables['params'])
        opponent = discriminator.init(seed, color[..., :1], color, train=False)
        moments = discriminator_optimizer.init(opponent['params'])
        return State(jnp.zeros((), jnp.int32), params, optimizer.init(params), params, opponent, moments)

    def maps(pictures: Float[Array, 'b s s 3']) -> list[Array]:
        return features.apply({'params': feature_params}, 2 * pictures - 1)[_LEVELS]

    def generator_loss(params: Any, opponent: Any, x: Array, y: Array, given: dict[str, Array], true: Array) -> Any:
        logits = generator.apply({'params': params, **statistics}, x, train=False, **given)
        color = space.color(logits)
        verdict = discriminator.apply(opponent, shrink(x, color.shape[1:3]), color / _CHROMA, train=False)
        pairs = zip(maps(space.join(x, logits)), maps(true), strict=True)
        terms = {
            'cross_entropy': reconstruction(logits, y),
            'features': jnp.mean(jnp.stack([jnp.mean(jnp.abs(a - b)) / jnp.mean(jnp.abs(b)) for a, b in pairs])),
            'adversarial': losses.generator_loss('hinge', verdict),
        }
        total = terms['cross_entropy'] + FEATURE_WEIGHT * terms['features'] + ADVERSARIAL_WEIGHT * terms['adversarial']
        return total, (color, terms)

    def discriminator_loss(params: Any, opponent: Any, x: Array, real: Array, fake: Array) -> Any:
        def judge(statistics: Any, color: Array) -> Any:
            variables = {'params': params, 'batch_stats': statistics}
            verdict, updates = discriminator.apply(variables, x, color / _CHROMA, train=True, mutable=['batch_stats'])
            return verdict, updates['batch_stats']

        of_fake, statistics = judge(opponent['batch_stats'], fake)
        of_real, statistics = judge(statistics, real)
        return sum(losses.discriminator_loss('hinge', of_real, of_fake)) / 2, statistics

    @jax.jit
    def step(state: State, images: Images) -> tuple[State, Terms]:
        flip_rng, hints_rng = jax.random.split(jax.random.fold_in(seed, state.step))
        images = flip(images, flip_rng)
        x, y = space.split(images)
        true = convert.to_float(images)
        given: dict[str, Array] = {}
        if model.config.generator.get('hints', False):
            given['hints'] = hints.draw(hints_rng, convert.rgb_to_lab(true)[..., 1:])
        differentiate = jax.value_and_grad(generator_loss, has_aux=True)
        (_, (fake, terms)), gradient = differentiate(state.params, state.discriminator, x, y, given, true)
        params, opt_state = _update(optimizer, gradient, state.opt_state, state.params)

        size = fake.shape[1:3]
        arguments = state.discriminator, shrink(x, size), shrink(y, size), fake
        differentiate = jax.value_and_grad(discriminator_loss, has_aux=True)
        before = state.discriminator['params']
        (terms['discriminator'], batch_stats), gradient = differentiate(before, *arguments)
        after, moments = _update(discriminator_optimizer, gradient, state.discriminator_opt_state, before)
        opponent = {'params': after, 'batch_stats': batch_stats}

        count = state.step.astype(jnp.float32)
        average = 1 - jnp.minimum(_EMA_DECAY, (1 + count) / (10 + count))
        ema_params = optax.incremental_update(params, state.ema_params, average)
        return State(state.step + 1, params, opt_state, ema_params, opponent, moments), terms

    return start(), step


def _update(optimizer: optax.GradientTransformation, gradient: Any, opt_state: Any, params: Any) -> tuple[Any, Any]:
    """Return the parameters and the optimizer's state after an update."""
    with jax.numpy_dtype_promotion('standard'):  # optax's Adam mixes float32 with its int32 count
        updates, opt_state = optimizer.update(gradient, opt_state, params)
    return optax.apply_updates(params, updates), opt_state


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the model that is named as it is after the fine-tuning."""
    parser = argparse.ArgumentParser('realism', description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('model', metavar='MODEL', help='a run, a file of weights, or a name, as --model')
    parser.add_argument('--source', required=True, help='data.source of the training pictures')
    parser.add_argument('--batch-size', type=int, default=16)
    parser.add_argument('--steps', type=int, default=300)
    parser.add_argument('--output', type=Path, required=True, help='a file *.safetensors')
    args = parser.parse_args(arguments)
    compilation_cache.use()
    try:
        weights_file.check_output(args.output)
        tuned = fine_tune(load(args.model), args.source, args.batch_size, args.steps)
        storage.write_atomic(args.output, weights_file.encode(tuned.config, tuned.step, tuned.variables))
    except UserError as error:
        sys.exit(str(error))


if __name__ == '__main__':
    main()
