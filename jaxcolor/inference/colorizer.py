"""`Colorizer`: a trained network that gives photographs of any size their colour."""

import dataclasses
import itertools
import math
import os
from collections import deque
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any, NamedTuple, TypedDict, Unpack, overload

import jax
import numpy as np
from etils import epath
from flax import linen as nn
from jaxtyping import Array, Float, PRNGKeyArray, UInt8
from PIL.Image import Image as Pillow

from jaxcolor.checkpoints.load import load
from jaxcolor.checkpoints.model import Model
from jaxcolor.color.palette import Palette
from jaxcolor.color.spaces import Space
from jaxcolor.distributed import devices
from jaxcolor.errors import UserError
from jaxcolor.imaging import arrays
from jaxcolor.imaging.arrays import Picture
from jaxcolor.imaging.read_any import read_any
from jaxcolor.inference import compilation_cache, render
from jaxcolor.models import sizes

_WORK = 2**20  # pixels in flight: of a batch through the network, of a batch of tiles
_BATCH = 64
_TILES = (32, 128, 256, 512, 1024)
MOST_SATURATION = 4  # from Python, on the command line and in the API
LONGEST = 4  # sides beyond 4:1 are squeezed for the network, not for the result


class Options(NamedTuple):
    """How pictures are coloured; see `Colorizer.__call__`."""

    saturation: float = 1.0
    temperature: float | None = None
    samples: int | None = None
    seed: int = 0
    flip_average: bool = False
    vividness: float | None = None


class _Knobs(TypedDict, total=False):
    saturation: float
    temperature: float | None
    seed: int
    flip_average: bool
    vividness: float | None


class _Plan(NamedTuple):
    """How a picture passes through the network: scaled to `content`, mirrored at its ends up to `shape`."""

    content: tuple[int, int]
    shape: tuple[int, int]
    filtered: bool


class Colorizer:
    """Colours grey photographs, or coloured ones anew by their lightness.

    The network sees a small copy; the photograph keeps its own lightness at full size, and takes only its chroma
    from the network, interpolated along the edges (`render`). Akshat23 section 3.9 colours at the network's size.

        colorizer = Colorizer()
        colorizer('grandmother.jpg').save('in_colour.png')

    Attributes:
      config: the run's.
      step: of the checkpoint.
      space: what the generator's words mean.
      generator: the Linen module.
      variables: its parameters and running statistics, on the device.
      render_size: the shorter side of the small copy, in pixels.
    """

    def __init__(self, model: Model | None = None, render_size: int | None = None):
        """Take what `model.load` returned, the model that comes with the package if left out; see `restore`."""
        self.config, self.step, self.space, self.generator, variables = load() if model is None else model
        devices.check()
        self.variables = jax.device_put(variables)
        wanted = self.config.data.image_size if render_size is None else render_size
        if not 1 <= wanted <= 4096:
            raise UserError(
                f'render_size={wanted} is out of range; use 1 to 4096, {self.config.data.image_size} as trained'
            )
        least, self._step_size = sizes(self.generator)
        self.render_size = max(least, _up_to_multiple(wanted, self._step_size))

    @classmethod
    def restore(
        cls, model: epath.PathLike, *, checkpoint: str | int | None = None, render_size: int | None = None
    ) -> 'Colorizer':
        """Read a model; needs nothing that trained it.

        Args:
          model: the work directory of a run, a path or an address such as `gs://…`; a name of `jaxcolor models`; a
            file `*.safetensors` of `jaxcolor export`; or `hf:OWNER/NAME[@REVISION]` on the Hugging Face hub.
          checkpoint: of a run: `latest`, `best` or a step; left out, its outcome (the best where it stops early).
          render_size: shorter side, in pixels, at which the network works; left out, that of its training
            pictures. Rounded up to what the network can halve. Larger sees finer things, and less of the whole.

        Raises:
          UserError: no such model, no such checkpoint, none that can be read, or a size out of range.
        """
        return cls(load(model, checkpoint), render_size)

    @property
    def can_sample(self) -> bool:
        """Whether the model has dropout, the noise that `samples` and `seed` draw."""
        return self.generator.has_dropout()

    @property
    def has_palette(self) -> bool:
        """Whether the model says classes, which `temperature` and `vividness` mix."""
        return isinstance(self.space, Palette)

    def describe(self) -> dict[str, Any]:
        """Return what a person or a program may want to know about the model; JSON's types only."""
        return {
            'generator': self.config.generator.name,
            'space': self.space.name,
            'step': self.step,
            'parameters': sum(leaf.size for leaf in jax.tree.leaves(self.variables['params'])),
            'image_size': self.config.data.image_size,
            'render_size': self.render_size,
            'can_sample': self.can_sample,
            'has_palette': self.has_palette,
        }

    @overload
    def __call__(self, image: str | os.PathLike[str], *, samples: None = None, **options: Unpack[_Knobs]) -> Pillow: ...
    @overload
    def __call__(self, image: Pillow, *, samples: None = None, **options: Unpack[_Knobs]) -> Pillow: ...
    @overload
    def __call__(self, image: np.ndarray, *, samples: None = None, **options: Unpack[_Knobs]) -> np.ndarray: ...
    @overload
    def __call__(
        self, image: list[Any] | tuple[Any, ...], *, samples: int | None = None, **options: Unpack[_Knobs]
    ) -> list[Any]: ...
    @overload
    def __call__(self, image: Any, *, samples: int, **options: Unpack[_Knobs]) -> list[Any]: ...

    def __call__(
        self,
        image: Any,
        *,
        saturation: float = 1.0,
        temperature: float | None = None,
        samples: int | None = None,
        seed: int = 0,
        flip_average: bool = False,
        vividness: float | None = None,
    ) -> Any:
        """Colours one picture, or several.

        L* of each result is that of its picture, within the rounding of its pixels' dtype.

        Args:
          image: the path of a file; a Pillow image; an array [h, w], [h, w, 1], [h, w, 3] or, with alpha, [h, w, 4], of
            uint8, uint16 or floats in [0, 1]; several of one size as an array [b, h, w, c]; or a list of any of
            these, of any sizes, which share the device's batches.
          saturation: what the chroma is multiplied by, 0 to 4: 0 leaves pictures grey, 1 is what the network said.
          temperature: of a palette's annealed mean; 0 takes the likeliest colour. Left out, the config's.
          samples: draw so many colourings of each picture, where the network has dropout.
          seed: of the noise, where there is any; a picture's noise does not depend on its neighbours.
          flip_average: colour the mirror image as well, and take the mean of both chromas.
          vividness: of a palette, what rare colours gain on the frequent ones, which are grey: 0 is calmest, 0.4 bold.
            Left out, the config's.

        Returns:
          What `image` was, of the same sizes and dtypes, [h, w, 3] or [h, w, 4] for arrays, a list for a list. For
          paths and Pillow's images it is Pillow's, RGB or RGBA, 8 bits a channel: upright and in sRGB, as `jaxcolor
          colorize` reads them. With `samples`, a list of so many in place of each picture.

        Raises:
          UserError: something that is no picture, or an option that the model does not have.
        """
        options = Options(saturation, temperature, samples, seed, flip_average, vividness)
        self.check(options)
        stacked = isinstance(image, np.ndarray) and image.ndim == 4
        several = stacked or isinstance(image, list | tuple)
        pictures = [read_any(one) for one in (image if several else [image])]
        draws = [self._colorize(pictures, options, draw) for draw in range(samples or 1)]
        results = [[p.in_color(drawn[i]) for drawn in draws] for i, p in enumerate(pictures)]
        chosen = results if samples else [drawn[0] for drawn in results]
        if stacked and not samples:
            return np.stack(chosen) if chosen else np.zeros((*image.shape[:3], 3), image.dtype)
        return chosen if several else chosen[0]

    def check(self, options: Options) -> None:
        """Check that the model has what `options` asks for.

        Raises:
          UserError: it has not, or a number is out of range.
        """
        if not 0 <= options.saturation <= MOST_SATURATION:
            bounds = f'0 (grey) to {MOST_SATURATION}, 1 as the network says'
            raise UserError(f'saturation={options.saturation} is out of range; use {bounds}')
        for name, example in (('temperature', 0.38), ('vividness', 0.2)):
            value = getattr(options, name)
            if value is None:
                continue
            if not self.has_palette:
                raise UserError(f'{name}={value}: only palettes have one, the space is {self.space.name!r}')
            if not 0 <= value < math.inf:
                raise UserError(f'{name}={value} is out of range; use 0 or more, such as {example}')
        if options.vividness and not getattr(self.space, 'frequencies', None):
            raise UserError(f'vividness={options.vividness}: this palette has no frequencies; leave it out')
        if options.samples is not None:
            if options.samples < 1:
                raise UserError(f'samples={options.samples} is too small; use 1 or more')
            if not self.can_sample:
                raise UserError(f'samples={options.samples}: the network has no dropout, and always says the same')
        if not 0 <= options.seed < 2**32:
            raise UserError(f'seed={options.seed} is out of range; use 0 to 2^32 - 1')

    def _colorize(self, pictures: Sequence[Picture], options: Options, draw: int) -> list[np.ndarray]:
        results = [np.empty((*picture.pixels.shape[:2], 3), picture.pixels.dtype) for picture in pictures]
        space, temperature, vividness = self.space, 1.0, 0.0
        if isinstance(space, Palette):
            # One program for all values: adjusted logits, at a temperature of 1 and a vividness of 0.
            wanted = space.temperature if options.temperature is None else options.temperature
            vividness = space.vividness if options.vividness is None else options.vividness
            space = dataclasses.replace(space, temperature=float(wanted > 0), vividness=0.0)
            temperature = max(wanted, 1e-3)
        key = None
        if options.samples or self.config.get('sampling') == 'dropout':
            key = jax.random.fold_in(jax.random.key(options.seed), draw)
        for plans, size in self._batches([self._plan(picture) for picture in pictures]):
            first = next(iter(plans.values()))
            batch = np.zeros((size, *first.shape, 3), np.uint8)
            for row, (index, plan) in enumerate(plans.items()):
                batch[row] = _small_copy(pictures[index], plan)
            functions = compilation_cache.call(
                predict,
                self.variables,
                batch,
                key,
                np.float32(temperature),
                np.float32(vividness),
                generator=self.generator,
                space=space,
                filtered=first.filtered,
                flip_average=options.flip_average,
            )
            self._apply(functions, plans, pictures, results, options.saturation)
        return results

    def _plan(self, picture: Picture) -> _Plan:
        height, width = picture.pixels.shape[:2]
        ratio = self.render_size / min(height, width)
        content = tuple(min(round(side * ratio), LONGEST * self.render_size) for side in (height, width))
        # A quarter of the shorter side: the fewer shapes there are, the fewer programs are compiled.
        grain = _up_to_multiple(self.render_size // 4, self._step_size)
        shape = tuple(
            self.render_size if side == self.render_size else _up_to_multiple(side, grain) for side in content
        )
        return _Plan((content[0], content[1]), (shape[0], shape[1]), max(height, width) > max(content))

    def _batches(self, plans: list[_Plan]) -> Iterable[tuple[dict[int, _Plan], int]]:
        """Yield plans that go through the network together, by the number of their picture, and the batch's size."""
        by_shape = sorted(range(len(plans)), key=lambda i: plans[i][1:])
        for (shape, _), group in itertools.groupby(by_shape, key=lambda i: plans[i][1:]):
            for chosen, size in _batched(list(group), min(_BATCH, _WORK // math.prod(shape))):
                yield {i: plans[i] for i in chosen}, size

    def _apply(
        self,
        functions: Float[Array, 'b h w 4'],
        plans: dict[int, _Plan],
        pictures: Sequence[Picture],
        results: list[np.ndarray],
        saturation: float,
    ) -> None:
        """Render the pictures of one batch, tile by tile; the next tiles are on their way as the last are copied."""
        tiles = [tile for row, index in enumerate(plans) for tile in _tiles(row, index, pictures[index].pixels)]
        tiles.sort(key=lambda tile: tile.kind)
        under_way: deque[tuple[Sequence[_Tile], Any]] = deque()
        for (height, width, channels, dtype), group in itertools.groupby(tiles, key=lambda tile: tile.kind):
            for chosen, size in _batched(list(group), _WORK // (height * width)):
                batch = np.zeros((size, height, width, channels), dtype)
                for pixels, tile in zip(batch, chosen, strict=False):
                    part = pictures[tile.picture].pixels[tile.place]
                    pixels[: part.shape[0], : part.shape[1]] = part
                places = np.zeros((len(batch), 3, 2), np.float32)
                places[:, 1:] = 1
                for place, tile in zip(places, chosen, strict=False):
                    content, whole = plans[tile.picture].content, pictures[tile.picture].pixels.shape
                    place[:] = tile.corner, (content[0] / whole[0], content[1] / whole[1]), content
                rows = np.zeros(len(batch), np.int32)
                rows[: len(chosen)] = [tile.row for tile in chosen]
                chosen_functions = functions[rows]  # not inside: one program for batches of every size
                arguments = (batch, chosen_functions, places, np.float32(saturation))
                under_way.append((chosen, compilation_cache.call(_render, *arguments)))
                if len(under_way) > 1:
                    _copy(*under_way.popleft(), results)
        while under_way:
            _copy(*under_way.popleft(), results)


@partial(jax.jit, static_argnames=('generator', 'space', 'filtered', 'flip_average'))
def predict(
    variables: Any,
    image: UInt8[Array, 'b h w 3'],
    key: PRNGKeyArray | None,
    temperature: Float[Array, ''],
    vividness: Float[Array, ''],
    *,
    generator: nn.Module,
    space: Space,
    filtered: bool,
    flip_average: bool,
) -> Float[Array, 'b h w 4']:
    """Return what the generator says to small pictures, as the functions that `render.colorize` applies to large ones.

    Args:
      variables: the generator's.
      image: sRGB.
      key: of the generator's dropout, the same noise for every picture; None for no dropout.
      temperature: what a palette's logits are divided by.
      vividness: what its log frequencies are multiplied by and taken from the logits, before that.
      generator: in inference: norms by their running statistics.
      space: the generator's.
      filtered: along the edges of lightness, for pictures larger than these.
      flip_average: the mean with what the generator says to the mirror image.
    """
    x, _ = space.split(image)

    def predict(x: Float[Array, 'b h w 1']) -> Float[Array, 'b h w 2']:
        if key is None:
            y: Any = generator.apply(variables, x, train=False)
        else:
            # One picture at a time sees the noise, so that it does not depend on the batch.
            y = jax.vmap(lambda one: generator.apply(variables, one[None], train=False, rngs={'dropout': key})[0])(x)
        if isinstance(space, Palette):
            if space.frequencies:
                y = y - vividness * space.log_frequencies()[None, None, None]
            y = y / temperature
        return render.chroma(space, x, y)

    chroma = predict(x)
    if flip_average:
        chroma = (chroma + predict(x[:, :, ::-1])[:, :, ::-1]) / 2
    return render.guide((x + 1) / 2, chroma) if filtered else render.constant(chroma)


@jax.jit
def _render(
    pixels: render.Pixels,
    functions: Float[Array, 'n h w 4'],
    places: Float[Array, 'n 3 2'],
    saturation: Float[Array, ''],
) -> render.Colors:
    return render.colorize(pixels, functions, places[:, 0], places[:, 1], places[:, 2], saturation)


class _Tile(NamedTuple):
    row: int  # of its picture in the batch that went through the network
    picture: int
    corner: tuple[int, int]
    kind: tuple[int, int, int, str]  # height, width, channels, dtype

    @property
    def place(self) -> tuple[slice, slice]:
        return tuple(slice(start, start + size) for start, size in zip(self.corner, self.kind[:2], strict=True))  # type: ignore[return-value]


def _tiles(row: int, index: int, pixels: np.ndarray) -> list[_Tile]:
    height, width = (next((tile for tile in _TILES if tile >= side), _TILES[-1]) for side in pixels.shape[:2])
    kind = (height, width, pixels.shape[2], pixels.dtype.name)
    corners = itertools.product(range(0, pixels.shape[0], height), range(0, pixels.shape[1], width))
    return [_Tile(row, index, corner, kind) for corner in corners]


def _copy(tiles: Sequence[_Tile], rendered: Any, results: list[np.ndarray]) -> None:
    for pixels, tile in zip(np.asarray(rendered), tiles, strict=False):
        part = results[tile.picture][tile.place]
        part[:] = pixels[: part.shape[0], : part.shape[1]]


def _small_copy(picture: Picture, plan: _Plan) -> UInt8[np.ndarray, 'h w 3']:
    small = arrays.thumbnail(picture.pixels, *plan.content)
    return np.pad(small, [(0, s - c) for s, c in zip(plan.shape, plan.content, strict=True)] + [(0, 0)], 'symmetric')


def _up_to_multiple(number: int, step: int) -> int:
    return max(1, -(-number // step)) * step


def _batched(items: list[Any], most: int) -> Iterable[tuple[list[Any], int]]:
    """Yield items in batches of 1, 4, 16, …: few sizes, so few programs, and at most a quarter of a batch is empty."""
    while items:
        size = 1
        while 4 * size <= most and 3 * size <= len(items):
            size *= 4
        yield items[:size], size
        items = items[size:]
