"""One step of the game: a generator forward pass, the discriminator's update, then the generator's.

The order is that of seed 001 section 5.5: the discriminator learns first, and the generator's gradient goes
through the discriminator so updated. `jax.vjp` keeps the generator's forward pass for its backward one, so
that pass runs once a step.
"""

from collections.abc import Callable
from typing import Any

import jax
import optax
from jaxtyping import Array, Bool, Float, PRNGKeyArray, UInt8

from jaxcolor.color.spaces import Target, flip
from jaxcolor.training import objectives
from jaxcolor.training.parallel import AXIS
from jaxcolor.training.state import Player, System, TrainState

Batch = dict[str, UInt8[Array, 'b h w 3'] | Bool[Array, ' b']]
Grey = Float[Array, 'b h w 1']
Colour = Float[Array, 'b h w c']
Terms = dict[str, Float[Array, '']]
Gradient = Callable[[Colour], tuple[Any]]


def train_step(
    system: System, state: TrainState, batch: Batch, rng: PRNGKeyArray, *, adversarial: bool = True
) -> tuple[TrainState, Terms]:
    """Updates both players on one batch; pure, and run on every device of the axis `AXIS`.

    Args:
      system: the static half.
      state: the same on every device, before and after.
      batch: `image`, uint8 [b, h, w, 3]: this device's part of the batch.
      rng: differs by step and by device.
      adversarial: whether the discriminator takes part; if not (warm-up, or a system without one), the
        generator learns from reconstruction alone and the discriminator rests.

    Returns:
      The state after the step, and the loss terms, averaged over devices.
    """
    flip_rng, generator_rng, discriminator_rng, verdict_rng = jax.random.split(rng, 4)
    image = flip(batch['image'], flip_rng) if system.flip else batch['image']
    x, y = system.space.split(image)

    def generate(params: Any) -> tuple[Colour, Any]:
        variables = {'params': params, 'batch_stats': state.generator.batch_stats}
        fake, updates = system.generator.apply(
            variables, x, train=True, rngs={'dropout': generator_rng}, mutable=['batch_stats']
        )
        return fake, updates.get('batch_stats', {})

    fake, gradient, batch_stats = jax.vjp(generate, state.generator.params, has_aux=True)
    generator = state.generator.replace(batch_stats=batch_stats)
    discriminator = state.discriminator if adversarial else None
    terms: Terms = {}
    if discriminator is not None:
        discriminator, terms = discriminator_update(system, discriminator, x, y, fake, discriminator_rng)
    generator, generator_terms = generator_update(system, generator, gradient, x, y, fake, discriminator, verdict_rng)
    ema_params = state.ema_params
    if system.ema_decay:
        ema_params = optax.incremental_update(generator.params, ema_params, 1.0 - system.ema_decay)
    terms = jax.lax.pmean({**generator_terms, **terms}, AXIS)
    discriminator = discriminator or state.discriminator  # at rest in warm-up
    return TrainState(state.step + 1, generator, discriminator, ema_params), terms


def discriminator_update(
    system: System, player: Player, x: Grey, y: Colour, fake: Colour, rng: PRNGKeyArray
) -> tuple[Player, Terms]:
    """Teaches the discriminator one batch of true colours `y` and one of generated ones.

    The two pass separately, fake first, so that each is normalised by its own statistics (seed 001
    section 5.5). `fake` is data here: no gradient reaches the generator.
    """
    fake = jax.lax.stop_gradient(fake)

    fake_rng, real_rng = jax.random.split(rng)

    def loss(params: Any) -> tuple[Float[Array, ''], tuple[Any, Terms]]:
        fake_logits, batch_stats = _judge(system, player.replace(params=params), x, fake, fake_rng)
        judged = player.replace(params=params, batch_stats=batch_stats)
        real_logits, batch_stats = _judge(system, judged, x, y, real_rng)
        real_term, fake_term = objectives.discriminator_loss(
            system.loss.adversarial, real_logits, fake_logits, system.loss.label_smoothing
        )
        total = (real_term + fake_term) / 2
        terms = {
            'discriminator_loss': total,
            'discriminator_real': real_term,
            'discriminator_fake': fake_term,
        }
        return total, (batch_stats, terms)

    gradient, (batch_stats, terms) = jax.grad(loss, has_aux=True)(player.params)
    updated = _optimize(system.discriminator_optimizer, player, gradient)
    return updated.replace(batch_stats=batch_stats), terms


def generator_update(
    system: System,
    player: Player,
    gradient: Gradient,
    x: Grey,
    y: Target,
    fake: Colour,
    discriminator: Player | None,
    rng: PRNGKeyArray,
) -> tuple[Player, Terms]:
    """Updates the generator from what it made.

    Args:
      system: the static half.
      player: the generator.
      gradient: from `jax.vjp`: the gradient of the output `fake` to that of the parameters.
      x: the grey pictures, float32 [b, h, w, 1].
      y: the target, float32 [b, h, w, c], or int32 [b, h, w, 1] of classes.
      fake: the generator's output, float32 [b, h, w, c].
      discriminator: who judges `fake`; None leaves reconstruction alone. Its statistics stay as they are.
      rng: for the discriminator's dropout.
    """

    def loss(fake: Colour) -> tuple[Float[Array, ''], Terms]:
        terms = {'reconstruction': system.reconstruction(fake, y)}
        total = system.loss.reconstruction_weight * terms['reconstruction']
        if discriminator is not None:
            logits, _ = _judge(system, discriminator, x, fake, rng)
            terms['adversarial'] = objectives.generator_loss(system.loss.adversarial, logits)
            if system.loss.adversarial_weight:  # else it is watched, and nothing goes back through the discriminator
                total = total + system.loss.adversarial_weight * terms['adversarial']
        return total, {'generator_loss': total, **terms}

    cotangent, terms = jax.grad(loss, has_aux=True)(fake)
    return _optimize(system.generator_optimizer, player, *gradient(cotangent)), terms


def _judge(system: System, player: Player, x: Grey, y: Colour, rng: PRNGKeyArray) -> tuple[objectives.Logits, Any]:
    assert system.discriminator is not None
    logits, updates = system.discriminator.apply(
        player.variables, x, y, train=True, rngs={'dropout': rng}, mutable=['batch_stats']
    )
    return logits, updates.get('batch_stats', {})


def _optimize(optimizer: optax.GradientTransformation, player: Player, gradient: Any) -> Player:
    gradient = jax.lax.pmean(gradient, AXIS)
    with jax.numpy_dtype_promotion('standard'):  # optax's Adam mixes float32 with its int32 count
        updates, opt_state = optimizer.update(gradient, player.opt_state, player.params)
    params = optax.apply_updates(player.params, updates)
    return player.replace(params=params, opt_state=opt_state)
