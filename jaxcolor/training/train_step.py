"""One training step of both players: a generator forward pass, the discriminator's update, the generator's update.

The order is that of Kanojia23 section 5.5: the discriminator is updated first, and the generator's gradient goes
through the updated one. With `updates='simultaneous'` it goes through the one before, as in Akshat23 section 3.8.4.
`jax.vjp` keeps the generator's forward pass for its backward pass, so that pass runs once a step. With
`accumulation_steps` the order stays, and each player is updated once by the mean gradient of all microbatches; what a
microbatch's forward pass has kept is gone by the generator's turn, so that pass runs twice.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, UInt8

from jaxcolor.color import convert
from jaxcolor.color.spaces import flip
from jaxcolor.distributed.parallel import AXIS
from jaxcolor.training import accumulation, losses
from jaxcolor.training.accumulation import Gradients, Microbatch, Terms
from jaxcolor.training.hints import draw as draw_hints
from jaxcolor.training.rematerialization import rematerialized
from jaxcolor.training.state import Player, System, TrainState

Batch = dict[str, UInt8[Array, 'b h w 3'] | Bool[Array, ' b']]
Color = Float[Array, 'b h w c']
VJP = Callable[[Color], tuple[Any]]
Steps = tuple[Callable[[Player], Gradients], Callable[[Player | None], Gradients]]  # discriminator's, generator's

_NORMS_EVERY = 8  # steps
_HINTS = 1  # what a step's key is folded with for them, so that all else is drawn as without


def train_step(
    system: System, state: TrainState, batch: Batch, rng: PRNGKeyArray, *, adversarial: bool = True
) -> tuple[TrainState, Terms]:
    """Update both players on one batch; pure, and run on every device of the axis `AXIS`.

    Args:
      system: the static half.
      state: the same on every device, before and after.
      batch: `image`, uint8 [b, h, w, 3]: this device's part of the batch; `system.accumulation_steps` divides b.
      rng: differs by step and by device.
      adversarial: whether the discriminator takes part; if not (warm-up, or a system without one), the generator is
        trained by reconstruction alone and the discriminator rests.

    Returns:
      The state after the step, and the loss terms, averaged over devices.

    References:
      Isola et al. 2017, "Image-to-image translation with conditional adversarial networks"; Kanojia23 section 5.5;
      Akshat23 section 3.8.4, where both gradients are taken before either is applied.
    """
    flip_rng, generator_rng, discriminator_rng, adversarial_rng = jax.random.split(rng, 4)
    image = flip(batch['image'], flip_rng) if system.flip else batch['image']
    hints = None
    if system.hints:
        chroma = convert.rgb_to_lab(convert.to_float(image))[..., 1:]
        hints = draw_hints(jax.random.fold_in(rng, _HINTS), chroma)
    x, y = system.space.split(image)
    whole = Microbatch(x, y, generator_rng, discriminator_rng, adversarial_rng, hints)
    steps = _steps if system.accumulation_steps == 1 else _accumulated_steps
    discriminator_step, generator_step = steps(system, state.generator, whole)

    discriminator = state.discriminator if adversarial else None
    terms: Terms = {}
    if discriminator is not None:
        gradients = discriminator_step(discriminator)
        discriminator, norms = _optimize(system.discriminator_optimizer, discriminator, gradients, state.step)
        terms = gradients.terms | {f'discriminator_{name}': value for name, value in norms.items()}
    opponent = state.discriminator if adversarial and system.simultaneous else discriminator
    gradients = generator_step(opponent)
    generator, norms = _optimize(system.generator_optimizer, state.generator, gradients, state.step)
    ema_params = _average(system.ema_decay, state, generator.params) if system.ema_decay else state.ema_params
    terms = gradients.terms | {f'generator_{name}': value for name, value in norms.items()} | terms
    terms = jax.lax.pmean(terms, AXIS)
    discriminator = discriminator or state.discriminator  # at rest in warm-up
    return TrainState(state.step + 1, generator, discriminator, ema_params), terms


def d_step(system: System, player: Player, batch: Microbatch, fake: Color) -> Gradients:
    """Compute the gradients of the discriminator's loss on the true colours of a microbatch and on `fake`.

    The two pass separately, fake first, so that each is normalised by its own statistics (Kanojia23 section 5.5).
    `fake` is data here: no gradient reaches the generator.
    """
    fake_rng, real_rng = jax.random.split(batch.discriminator_rng)

    def loss(params: Any) -> tuple[Float[Array, ''], tuple[Any, Terms]]:
        discriminator = player.replace(params=params)
        fake_logits, batch_stats = _apply(system, system.discriminator, discriminator, fake_rng, batch.x, fake)
        discriminator = discriminator.replace(batch_stats=batch_stats)
        real_logits, batch_stats = _apply(system, system.discriminator, discriminator, real_rng, batch.x, batch.y)
        real_term, fake_term = losses.discriminator_loss(
            system.loss.adversarial, real_logits, fake_logits, system.loss.label_smoothing
        )
        total = (real_term + fake_term) / 2
        right_of_real, right_of_fake = losses.accuracy(system.loss.adversarial, real_logits, fake_logits)
        terms = {
            'discriminator_loss': total,
            'discriminator_real': real_term,
            'discriminator_fake': fake_term,
            'discriminator_accuracy_real': right_of_real,
            'discriminator_accuracy_fake': right_of_fake,
        }
        return total, (batch_stats, terms)

    gradients, (batch_stats, terms) = jax.grad(loss, has_aux=True)(player.params)
    return Gradients(gradients, batch_stats, terms)


def g_step(
    system: System, discriminator: Player | None, batch: Microbatch, fake: Color, vjp: VJP, batch_stats: Any
) -> Gradients:
    """Compute the gradients of the generator's loss on a microbatch.

    Args:
      system: the static half.
      discriminator: of `fake`; None leaves reconstruction alone. Its statistics stay as they are.
      batch: with the grey pictures and the target.
      fake: the generator's output, float32 [b, h, w, c].
      vjp: from `jax.vjp`: the gradient to the output `fake` -> that to the parameters.
      batch_stats: the generator's, after its forward pass.
    """

    def loss(fake: Color) -> tuple[Float[Array, ''], Terms]:
        terms = {'reconstruction': system.reconstruction(fake, batch.y)}
        total = system.loss.reconstruction_weight * terms['reconstruction']
        if discriminator is not None:
            logits, _ = _apply(system, system.discriminator, discriminator, batch.adversarial_rng, batch.x, fake)
            terms['adversarial'] = losses.generator_loss(system.loss.adversarial, logits)
            if system.loss.adversarial_weight:  # else it is logged, and no gradient goes through the discriminator
                total = total + system.loss.adversarial_weight * terms['adversarial']
        return total, {'generator_loss': total, **terms}

    cotangent, terms = jax.grad(loss, has_aux=True)(fake)
    return Gradients(*vjp(cotangent), batch_stats, terms)


def _steps(system: System, generator: Player, whole: Microbatch) -> Steps:
    """Return the steps of the discriminator and then of the generator, from the same forward pass of the latter."""
    fake, vjp, batch_stats = _forward(system, generator, whole)
    return (
        lambda discriminator: d_step(system, discriminator, whole, fake),
        lambda discriminator: g_step(system, discriminator, whole, fake, vjp, batch_stats),
    )


def _accumulated_steps(system: System, generator: Player, whole: Microbatch) -> Steps:
    """Return the same, microbatch by microbatch; each step has a forward pass of the generator, of equal output."""
    microbatches = accumulation.split(whole, system.accumulation_steps)

    def discriminator_step(discriminator: Player) -> Gradients:
        def step(batch_stats: tuple[Any, Any], batch: Microbatch) -> Gradients:
            g_stats, d_stats = batch_stats
            g, d = generator.replace(batch_stats=g_stats), discriminator.replace(batch_stats=d_stats)
            fake, g_stats = _apply(system, system.generator, g, batch.generator_rng, batch.x, hints=batch.hints)
            gradients = d_step(system, d, batch, fake)
            return gradients._replace(batch_stats=(g_stats, gradients.batch_stats))

        batch_stats = generator.batch_stats, discriminator.batch_stats
        gradients = accumulation.accumulate(step, discriminator.params, batch_stats, microbatches)
        return gradients._replace(batch_stats=gradients.batch_stats[1])  # the generator's own step moves its own

    def generator_step(discriminator: Player | None) -> Gradients:
        def step(batch_stats: Any, batch: Microbatch) -> Gradients:
            output = _forward(system, generator.replace(batch_stats=batch_stats), batch)
            return g_step(system, discriminator, batch, *output)

        return accumulation.accumulate(step, generator.params, generator.batch_stats, microbatches)

    return discriminator_step, generator_step


def _forward(system: System, player: Player, batch: Microbatch) -> tuple[Color, VJP, Any]:
    """Return the generator's output on a microbatch, the VJP from it to the parameters, and its new statistics."""

    def generate(params: Any) -> tuple[Color, Any]:
        generator = player.replace(params=params)
        return _apply(system, system.generator, generator, batch.generator_rng, batch.x, hints=batch.hints)

    return jax.vjp(generate, player.params, has_aux=True)


def _apply(
    system: System,
    network: nn.Module | None,
    player: Player,
    rng: PRNGKeyArray,
    *inputs: Float[Array, 'b h w _'],
    hints: Float[Array, 'b p q 3'] | None = None,
) -> tuple[Any, Any]:
    """Return a network's output in training, and its new statistics.

    A generator with `system.fixed_statistics` is as in inference.

    With `system.remat` the backward pass finds what the network has named `KEPT`, its convolutions' outputs, and
    computes norms, activations, dropout and concatenations again.
    """
    assert network is not None
    options: dict[str, Any] = {} if hints is None else {'hints': hints}
    train = not (system.fixed_statistics and network is system.generator)

    def apply(params: Any, *inputs: Float[Array, 'b h w _']) -> tuple[Any, Any]:
        variables, rngs = {'params': params, 'batch_stats': player.batch_stats}, {'dropout': rng}
        output, updates = network.apply(variables, *inputs, train=train, rngs=rngs, mutable=['batch_stats'], **options)
        return output, updates.get('batch_stats', {})

    return (rematerialized(apply) if system.remat else apply)(player.params, *inputs)


def _optimize(
    optimizer: optax.GradientTransformation, player: Player, gradients: Gradients, step: Int[Array, '']
) -> tuple[Player, Terms]:
    """Return the player after its update; the norm of its gradient, and its update's in proportion to its parameters'.

    The gradient is as it was before it is clipped. Norms are nan but in every eighth step: they read all parameters.
    XLA for GPUs computes them in every step and selects; a branch that it had to keep would have the host wait.
    """
    # Divided before the sum, where it is fused with what computes the gradient: after it, it is a pass of its own.
    devices = jax.lax.axis_size(AXIS)
    mean = jax.lax.psum(jax.tree.map(lambda gradient: gradient / devices, gradients.gradients), AXIS)

    def update(mean: Any) -> tuple[Any, Any]:
        with jax.numpy_dtype_promotion('standard'):  # optax's Adam mixes float32 with its int32 count
            return optimizer.update(mean, player.opt_state, player.params)

    def norms(mean: Any) -> Terms:
        # Anew, for the update itself is never in memory.
        ratio = optax.tree.norm(update(mean)[0]) / optax.tree.norm(player.params)
        return {'grad_norm': optax.tree.norm(mean), 'update_ratio': ratio}

    def nothing(_: Any) -> Terms:
        return {'grad_norm': jnp.asarray(jnp.nan), 'update_ratio': jnp.asarray(jnp.nan)}

    measured = jax.lax.cond(step % _NORMS_EVERY == 0, norms, nothing, mean)
    # Norms come first: the update then takes the place of what they read, which else had to be copied.
    mean, measured = jax.lax.optimization_barrier((mean, measured))
    updates, opt_state = update(mean)
    return Player(optax.apply_updates(player.params, updates), gradients.batch_stats, opt_state), measured


def _average(decay: float, state: TrainState, params: Any) -> Any:
    """Return the moving average of the parameters, with TensorFlow's warm-up: else it is the initial ones for long."""
    step = state.step.astype(jnp.float32)
    step_size = 1.0 - jnp.minimum(decay, (1 + step) / (10 + step))
    return optax.incremental_update(params, state.ema_params, step_size)
