"""One step of the game: a generator forward pass, the discriminator's update, then the generator's.

The order is that of Kanojia23 section 5.5: the discriminator learns first, and the generator's gradient goes
through the discriminator so updated. `jax.vjp` keeps the generator's forward pass for its backward one, so
that pass runs once a step. With `accumulation_steps` the order stays, and each player learns once from all parts
of the batch; what a part's forward pass has kept is gone by the generator's turn, so that pass runs twice.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn
from jaxtyping import Array, Bool, Float, PRNGKeyArray, UInt8

from jaxcolor.color import convert
from jaxcolor.color.spaces import flip
from jaxcolor.distributed.parallel import AXIS
from jaxcolor.training import accumulation, losses
from jaxcolor.training.accumulation import Lesson, Part, Terms
from jaxcolor.training.hints import draw as draw_hints
from jaxcolor.training.rematerialization import rematerialized
from jaxcolor.training.state import Player, System, TrainState

Batch = dict[str, UInt8[Array, 'b h w 3'] | Bool[Array, ' b']]
Colour = Float[Array, 'b h w c']
_HINTS = 1  # what a step's key is folded with for them, so that all else is drawn as without

Gradient = Callable[[Colour], tuple[Any]]
Lessons = tuple[
    Callable[[Player], Lesson], Callable[[Player | None], Lesson]
]  # of the discriminator, then the generator


def train_step(
    system: System, state: TrainState, batch: Batch, rng: PRNGKeyArray, *, adversarial: bool = True
) -> tuple[TrainState, Terms]:
    """Updates both players on one batch; pure, and run on every device of the axis `AXIS`.

    Args:
      system: the static half.
      state: the same on every device, before and after.
      batch: `image`, uint8 [b, h, w, 3]: this device's part of the batch; `system.accumulation_steps` divides b.
      rng: differs by step and by device.
      adversarial: whether the discriminator takes part; if not (warm-up, or a system without one), the
        generator learns from reconstruction alone and the discriminator rests.

    Returns:
      The state after the step, and the loss terms, averaged over devices.
    """
    flip_rng, generator_rng, discriminator_rng, verdict_rng = jax.random.split(rng, 4)
    image = flip(batch['image'], flip_rng) if system.flip else batch['image']
    hints = None
    if system.hints:
        chroma = convert.rgb_to_lab(convert.to_float(image))[..., 1:]
        hints = draw_hints(jax.random.fold_in(rng, _HINTS), chroma)
    x, y = system.space.split(image)
    whole = Part(x, y, generator_rng, discriminator_rng, verdict_rng, hints)
    lessons = _lessons if system.accumulation_steps == 1 else _accumulated_lessons
    teach_discriminator, teach_generator = lessons(system, state.generator, whole)
    discriminator = state.discriminator if adversarial else None
    terms: Terms = {}
    if discriminator is not None:
        lesson = teach_discriminator(discriminator)
        discriminator = _optimize(system.discriminator_optimizer, discriminator, lesson)
        terms = lesson.terms
    lesson = teach_generator(discriminator)
    generator = _optimize(system.generator_optimizer, state.generator, lesson)
    ema_params = state.ema_params
    if system.ema_decay:
        # TensorFlow's warm-up: else the weights that nothing has taught are a part of the average for a thousand steps.
        step = state.step.astype(jnp.float32)
        decay = jnp.minimum(system.ema_decay, (1 + step) / (10 + step))
        ema_params = optax.incremental_update(generator.params, ema_params, 1.0 - decay)
    terms = jax.lax.pmean({**lesson.terms, **terms}, AXIS)
    discriminator = discriminator or state.discriminator  # at rest in warm-up
    return TrainState(state.step + 1, generator, discriminator, ema_params), terms


def _lessons(system: System, generator: Player, whole: Part) -> Lessons:
    """What teaches the discriminator and, once that is updated, the generator; both from the same forward pass."""
    made = _make(system, generator, whole)
    return (
        lambda discriminator: discriminator_lesson(system, discriminator, whole, made[0]),
        lambda discriminator: generator_lesson(system, discriminator, whole, *made),
    )


def _accumulated_lessons(system: System, generator: Player, whole: Part) -> Lessons:
    """The same part by part, each with a forward pass for either lesson, in which the generator makes the same."""
    parts = accumulation.split(whole, system.accumulation_steps)

    def teach_discriminator(discriminator: Player) -> Lesson:
        def learn(batch_stats: tuple[Any, Any], part: Part) -> Lesson:
            maker, judge = (
                p.replace(batch_stats=s) for p, s in zip((generator, discriminator), batch_stats, strict=True)
            )
            fake, made_stats = _apply(system, system.generator, maker, part.generator_rng, part.x, hints=part.hints)
            lesson = discriminator_lesson(system, judge, part, fake)
            return lesson._replace(batch_stats=(made_stats, lesson.batch_stats))

        batch_stats = generator.batch_stats, discriminator.batch_stats
        lesson = accumulation.accumulate(learn, discriminator.params, batch_stats, parts)
        return lesson._replace(batch_stats=lesson.batch_stats[1])  # the generator's are for its own lesson to move

    def teach_generator(discriminator: Player | None) -> Lesson:
        def learn(batch_stats: Any, part: Part) -> Lesson:
            made = _make(system, generator.replace(batch_stats=batch_stats), part)
            return generator_lesson(system, discriminator, part, *made)

        return accumulation.accumulate(learn, generator.params, generator.batch_stats, parts)

    return teach_discriminator, teach_generator


def discriminator_lesson(system: System, player: Player, part: Part, fake: Colour) -> Lesson:
    """What the discriminator learns from a part's true colours and from `fake`, which the generator made of it.

    The two pass separately, fake first, so that each is normalised by its own statistics (Kanojia23
    section 5.5). `fake` is data here: no gradient reaches the generator.
    """
    fake_rng, real_rng = jax.random.split(part.discriminator_rng)

    def loss(params: Any) -> tuple[Float[Array, ''], tuple[Any, Terms]]:
        judge = player.replace(params=params)
        fake_logits, batch_stats = _apply(system, system.discriminator, judge, fake_rng, part.x, fake)
        judge = judge.replace(batch_stats=batch_stats)
        real_logits, batch_stats = _apply(system, system.discriminator, judge, real_rng, part.x, part.y)
        real_term, fake_term = losses.discriminator_loss(
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
    return Lesson(gradient, batch_stats, terms)


def generator_lesson(
    system: System, discriminator: Player | None, part: Part, fake: Colour, gradient: Gradient, batch_stats: Any
) -> Lesson:
    """What the generator learns from what it made of a part.

    Args:
      system: the static half.
      discriminator: who judges `fake`; None leaves reconstruction alone. Its statistics stay as they are.
      part: with the grey pictures and the target.
      fake: the generator's output, float32 [b, h, w, c].
      gradient: from `jax.vjp`: the gradient of the output `fake` to that of the parameters.
      batch_stats: the generator's, after it made `fake`.
    """

    def loss(fake: Colour) -> tuple[Float[Array, ''], Terms]:
        terms = {'reconstruction': system.reconstruction(fake, part.y)}
        total = system.loss.reconstruction_weight * terms['reconstruction']
        if discriminator is not None:
            logits, _ = _apply(system, system.discriminator, discriminator, part.verdict_rng, part.x, fake)
            terms['adversarial'] = losses.generator_loss(system.loss.adversarial, logits)
            if system.loss.adversarial_weight:  # else it is watched, and nothing goes back through the discriminator
                total = total + system.loss.adversarial_weight * terms['adversarial']
        return total, {'generator_loss': total, **terms}

    cotangent, terms = jax.grad(loss, has_aux=True)(fake)
    return Lesson(*gradient(cotangent), batch_stats, terms)


def _make(system: System, player: Player, part: Part) -> tuple[Colour, Gradient, Any]:
    """Returns what the generator makes of a part, the gradient from it to the parameters, and its new statistics."""

    def generate(params: Any) -> tuple[Colour, Any]:
        generator = player.replace(params=params)
        return _apply(system, system.generator, generator, part.generator_rng, part.x, hints=part.hints)

    return jax.vjp(generate, player.params, has_aux=True)


def _apply(
    system: System,
    network: nn.Module | None,
    player: Player,
    rng: PRNGKeyArray,
    *inputs: Float[Array, 'b h w _'],
    hints: Float[Array, 'b p q 3'] | None = None,
) -> tuple[Any, Any]:
    """Returns a network's output in training, and its new statistics.

    With `system.remat` the backward pass finds what the network has named `KEPT`, its convolutions' outputs, and
    computes norms, activations, dropout and concatenations again.
    """
    assert network is not None
    given: dict[str, Any] = {} if hints is None else {'hints': hints}

    def apply(params: Any, *inputs: Float[Array, 'b h w _']) -> tuple[Any, Any]:
        variables, rngs = {'params': params, 'batch_stats': player.batch_stats}, {'dropout': rng}
        output, updates = network.apply(variables, *inputs, train=True, rngs=rngs, mutable=['batch_stats'], **given)
        return output, updates.get('batch_stats', {})

    return (rematerialized(apply) if system.remat else apply)(player.params, *inputs)


def _optimize(optimizer: optax.GradientTransformation, player: Player, lesson: Lesson) -> Player:
    gradient = jax.lax.pmean(lesson.gradient, AXIS)
    with jax.numpy_dtype_promotion('standard'):  # optax's Adam mixes float32 with its int32 count
        updates, opt_state = optimizer.update(gradient, player.opt_state, player.params)
    params = optax.apply_updates(player.params, updates)
    return Player(params, lesson.batch_stats, opt_state)
