"""What training is made of: `System`, which never changes, and `TrainState`, which every step replaces."""

import dataclasses
from collections.abc import Callable
from typing import Any, no_type_check

import jax
import jax.numpy as jnp
import ml_collections
import optax
from flax import linen as nn
from flax import struct
from jaxtyping import Array, Float, Int, PRNGKeyArray

from jaxcolor.color.spaces import Space, build_space
from jaxcolor.errors import UserError
from jaxcolor.models import build_discriminator, build_generator
from jaxcolor.training import losses
from jaxcolor.training.optimizers import build_optimizer, check_known

Variables = dict[str, Any]


class Player(struct.PyTreeNode):
    """One network in training: its parameters, its running statistics and its optimizer's state."""

    params: Any
    batch_stats: Any
    opt_state: Any

    @property
    def variables(self) -> Variables:
        """What the network's `apply` takes."""
        return {'params': self.params, 'batch_stats': self.batch_stats}


@no_type_check  # JAX also builds it of what stands for arrays: shapes, axes, shardings
class TrainState(struct.PyTreeNode):
    """All that a step reads and writes, and all that a checkpoint holds. Replicated, never stacked per device."""

    step: Int[Array, '']
    generator: Player
    discriminator: Player | None
    ema_params: Any | None

    @property
    def learned(self) -> Any:
        """What gradients have made of it, which is the same on every device bit for bit.

        Statistics need not be: the singular vectors of spectral norm are each device's own products of the same.
        """
        players = (self.generator, self.discriminator)
        return [(player.params, player.opt_state) for player in players if player is not None], self.ema_params

    @property
    def inference_variables(self) -> Variables:
        """The generator as it is evaluated and used: averaged parameters where there are any."""
        params = self.generator.params if self.ema_params is None else self.ema_params
        return {'params': params, 'batch_stats': self.generator.batch_stats}


@dataclasses.dataclass(frozen=True)
class Loss:
    """The objective; the fields of `config.loss`."""

    adversarial: str = 'vanilla'
    adversarial_weight: float = 1.0
    reconstruction: str = 'l1'
    reconstruction_weight: float = 100.0
    label_smoothing: float = 0.0

    def __post_init__(self) -> None:
        check_known('loss.adversarial', self.adversarial, losses.ADVERSARIAL)
        if ':' not in self.reconstruction:  # of one's own; `losses.reconstruction` finds it
            check_known('loss.reconstruction', self.reconstruction, losses.RECONSTRUCTION)
        if not 0 <= self.label_smoothing < 1:
            raise UserError(f'loss.label_smoothing={self.label_smoothing} is not in [0, 1); 0 leaves labels hard')
        if self.adversarial == 'hinge' and self.label_smoothing:
            raise UserError("loss.adversarial='hinge' has no labels to smooth; set loss.label_smoothing=0")


@dataclasses.dataclass(frozen=True)
class System:
    """The static half of training: modules, optimizers, objective."""

    space: Space
    generator: nn.Module
    discriminator: nn.Module | None
    generator_optimizer: optax.GradientTransformation
    discriminator_optimizer: optax.GradientTransformation
    loss: Loss
    reconstruction: losses.Reconstruction
    flip: bool
    hints: bool  # whether the generator takes colour hints, and learns to follow them
    simultaneous: bool  # whether both players' gradients are taken before either is updated
    fixed_statistics: bool  # whether the generator's BatchNorms keep those of the model that it starts from
    ema_decay: float
    accumulation_steps: int
    remat: bool


_LARGE = 512  # px, from where on activations are computed again unless the config says otherwise


def build_system(
    config: ml_collections.ConfigDict, axis_name: str | None, total_steps: Callable[[], int] = lambda: 0
) -> System:
    """Build all that `config` names, and check that the parts fit each other and the pictures.

    Args:
      config: the whole config.
      axis_name: of the devices that share a batch, over which BatchNorm takes its statistics.
      total_steps: says how many the run has, for schedules; 0 where nothing is trained. It is asked after all checks,
        for it may have to open the data.

    Raises:
      UserError: an unknown name or field, parts that don't go together, or an image size that a network can't
        take.
    """
    space = build_space(config.space.to_dict())
    dtype = jnp.dtype(config.dtype)
    generator = build_generator(config.generator.to_dict(), space.channels, dtype=dtype, axis_name=axis_name)
    discriminator = None
    if config.discriminator is not None:
        discriminator = build_discriminator(config.discriminator.to_dict(), dtype=dtype, axis_name=axis_name)
    for network in filter(None, (generator, discriminator)):
        network.check_size(config.data.image_size, config.data.image_size)
    loss = Loss(**config.loss)
    _check_fit(config, space, generator, discriminator, loss)
    steps = total_steps()
    return System(
        space=space,
        generator=generator,
        discriminator=discriminator,
        generator_optimizer=build_optimizer('generator_optimizer', config.generator_optimizer, steps),
        discriminator_optimizer=build_optimizer('discriminator_optimizer', config.discriminator_optimizer, steps),
        loss=loss,
        reconstruction=losses.reconstruction(loss.reconstruction, space),
        flip=config.data.flip,
        hints=config.generator.get('hints', False),
        simultaneous=config.updates == 'simultaneous',
        fixed_statistics=config.norm_statistics == 'fixed',
        ema_decay=config.ema_decay,
        accumulation_steps=config.accumulation_steps,
        remat=config.data.image_size >= _LARGE if config.remat is None else config.remat,
    )


def _check_fit(
    config: ml_collections.ConfigDict, space: Space, generator: nn.Module, discriminator: nn.Module | None, loss: Loss
) -> None:
    output = generator.output_activation
    named = f'generator {config.generator.name!r}'
    if space.categorical != (loss.reconstruction == 'cross_entropy'):
        remedy = 'cross_entropy' if space.categorical else 'l1 or l2; cross_entropy is for the palette'
        raise UserError(f'loss.reconstruction={loss.reconstruction!r} does not fit space {space.name!r}; use {remedy}')
    if space.categorical and discriminator is not None:
        raise UserError(
            f'space {space.name!r} names classes, and discriminator {config.discriminator.name!r} judges colours; '
            'set discriminator to None in the config file, or use another space'
        )
    if space.categorical and output != 'identity':
        raise UserError(
            f'{named} ends in {output}, which can not say how sure it is of a class of space {space.name!r}; '
            "use one with output_activation='identity'"
        )
    if space.signed and output in ('relu', 'sigmoid'):
        raise UserError(
            f'{named} ends in {output}, and the colours of space {space.name!r} are negative as well; use '
            "output_activation='tanh' or, to say RGB in [0, 1], space rgb with signed=False"
        )
    if config.sampling == 'dropout' and not generator.has_dropout():
        raise UserError(f"sampling='dropout', but {named} drops nothing; use sampling='none' or give it dropout layers")
    check_known('norm_statistics', config.norm_statistics, ('batch', 'fixed'))
    if config.norm_statistics == 'fixed':
        if not config.init_from:
            raise UserError("norm_statistics='fixed' keeps those of a model; name one in init_from, or use 'batch'")
        if generator.has_dropout():
            raise UserError(f"norm_statistics='fixed', but {named} drops out in training; use 'batch', or no dropout")
    if config.pretrained.weights and not hasattr(generator, 'load_backbone'):
        raise UserError(
            f'pretrained.weights={config.pretrained.weights!r}, but {named} has none of an encoder; use resnet_unet or '
            'efficientnet_unet, or leave them empty'
        )


def create_state(system: System, image_size: int, rng: PRNGKeyArray) -> TrainState:
    """Return the state before the first step; the same for the same `rng` on any number of devices."""
    picture = jnp.zeros((1, image_size, image_size, 1))
    colour = jnp.zeros((1, image_size, image_size, system.space.channels))
    generator_rng, discriminator_rng = jax.random.split(rng)

    def start(
        network: nn.Module, optimizer: optax.GradientTransformation, rng: PRNGKeyArray, *inputs: Float[Array, '1 s s _']
    ) -> Player:
        variables = network.init({'params': rng}, *inputs, train=False)
        params = variables['params']
        return Player(params, variables.get('batch_stats', {}), optimizer.init(params))

    @jax.jit
    def create() -> TrainState:
        generator = start(system.generator, system.generator_optimizer, generator_rng, picture)
        discriminator = None
        if system.discriminator is not None:
            discriminator = start(
                system.discriminator, system.discriminator_optimizer, discriminator_rng, picture, colour
            )
        ema_params = generator.params if system.ema_decay else None
        return TrainState(jnp.zeros((), jnp.int32), generator, discriminator, ema_params)

    return create()
