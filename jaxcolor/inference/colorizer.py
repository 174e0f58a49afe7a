"""`Colorizer`: a trained network that gives photographs of any size their colour."""

import os
from collections import defaultdict
from collections.abc import Sequence
from reprlib import repr as brief
from typing import Any, Unpack, overload

import jax
import numpy as np
from etils import epath
from jaxtyping import Array, Float
from PIL.Image import Image as Pillow

from jaxcolor.checkpoints.load import load
from jaxcolor.checkpoints.model import Model
from jaxcolor.color.hints import STRIDE
from jaxcolor.color.palette import Palette
from jaxcolor.distributed import devices
from jaxcolor.errors import UserError
from jaxcolor.imaging.arrays import Picture, Pixels
from jaxcolor.imaging.read_any import read_any
from jaxcolor.inference import batches, likely, network, white_balance
from jaxcolor.inference import hints as color_hints
from jaxcolor.inference.hints import Hint
from jaxcolor.inference.likely import Spot
from jaxcolor.inference.network import Plan, Shapes, SmallCopy
from jaxcolor.inference.options import Knobs, Options, check
from jaxcolor.inference.programs import NetworkProgram, Programs
from jaxcolor.inference.rendering import Rendering
from jaxcolor.models import sizes

_COLDEST = 1e-6  # a temperature at which a palette takes the likeliest colour


class Colorizer:
    """Colours grey photographs, or coloured ones anew by their lightness.

    The network sees a small copy; the photograph keeps its own lightness at full size, and takes only its chroma
    from the network, interpolated along the edges (`render`). Akshat23 section 3.9 colours at the network's size.

        colorizer = Colorizer()
        colorizer('grandmother.jpg').save('in_colour.png')

    Attributes:
      model: as it was read, with its statistics of all sizes; what follows is of it.
      config: the run's.
      step: of the checkpoint.
      space: what the generator's words mean.
      generator: the Linen module.
      variables: its parameters, and running statistics of pictures of `render_size`, on the device.
      render_size: the shorter side of the small copy, in pixels.
      shapes: of small copies.
      programs: those that are compiled, or will be.
    """

    def __init__(self, model: Model | None = None, render_size: int | None = None):
        """Take what `model.load` returned, the model that comes with the package if left out; see `restore`."""
        model = load() if model is None else model
        self.config, self.step, self.space, self.generator = model[:4]
        devices.check()
        wanted = self.config.data.image_size if render_size is None else render_size
        if not 1 <= wanted <= 4096:
            raise UserError(
                f'render_size={wanted} is out of range; use 1 to 4096, {self.config.data.image_size} as trained'
            )
        least, step = sizes(self.generator)
        self.render_size = max(least, network.up_to_multiple(wanted, step))
        self.variables = jax.device_put(model.variables_at(self.render_size))
        others = {name: value for name, value in model.variables.items() if name != 'params'}
        self.model = model._replace(variables=self.variables | others)  # parameters are in memory once
        self.shapes = Shapes(self.render_size, step)
        self.programs = Programs(self.generator, self.space, self.variables, self.render_size)

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

    @property
    def takes_hints(self) -> bool:
        """Whether the model follows `hints`."""
        return bool(getattr(self.generator, 'hints', False))

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
            'takes_hints': self.takes_hints,
        }

    @overload
    def __call__(self, image: str | os.PathLike[str], *, samples: None = None, **options: Unpack[Knobs]) -> Pillow: ...
    @overload
    def __call__(self, image: Pillow, *, samples: None = None, **options: Unpack[Knobs]) -> Pillow: ...
    @overload
    def __call__(self, image: np.ndarray, *, samples: None = None, **options: Unpack[Knobs]) -> np.ndarray: ...
    @overload
    def __call__(
        self, image: list[Any] | tuple[Any, ...], *, samples: int | None = None, **options: Unpack[Knobs]
    ) -> list[Any]: ...
    @overload
    def __call__(self, image: Any, *, samples: int, **options: Unpack[Knobs]) -> list[Any]: ...

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
        warmth: float = 0.0,
        hints: Any = None,
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
          warmth: of the light, -1 (cool) to 1 (warm); 0 leaves it as the network said.
          hints: colours that somebody says, `[(x, y, '#rrggbb'), …]` with x and y in pixels of the upright picture; a
            list of such lists for several pictures. The network spreads them. Of each, a* and b* count.

        Returns:
          What `image` was, of the same sizes and dtypes, [h, w, 3] or [h, w, 4] for arrays, a list for a list. For
          paths and Pillow's images it is Pillow's, RGB or RGBA, 8 bits a channel: upright and in sRGB, as `jaxcolor
          colorize` reads them. With `samples`, a list of so many in place of each picture.

        Raises:
          UserError: something that is no picture, or an option that the model does not have.
        """
        options = Options(saturation, temperature, samples, seed, flip_average, vividness, warmth)
        self.check(options)
        stacked = isinstance(image, np.ndarray) and image.ndim == 4
        several = stacked or isinstance(image, list | tuple)
        pictures = [read_any(one) for one in (image if several else [image])]
        given = _hints_of_each(hints if several or hints is None else [hints], len(pictures))
        draws = [self._colorize(pictures, given, options, draw) for draw in range(samples or 1)]
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
        check(options, self.space, can_sample=self.can_sample)

    @property
    def has_noise(self) -> bool:
        """Whether dropout draws noise even where no samples are asked for."""
        return self.config.get('sampling') == 'dropout'

    def small_copies(self, pixels: Pixels, options: Options, hints: Sequence[Hint] = ()) -> list[SmallCopy]:
        """Return what the network has to see of a picture [h, w, 1 | 3]: its small copy, and the mirror image too.

        Raises:
          UserError: hints outside the picture, or that the model does not take.
        """
        height, width = pixels.shape[:2]
        copy = network.small_copy(pixels, self.shapes.plan(height, width))
        if hints:
            self.check_takes_hints()
            color_hints.check_inside(hints, height, width)
            copy = copy._replace(hints=color_hints.draw(hints, height, width, copy, options.saturation, options.warmth))
        return [copy, copy.mirror()] if options.flip_average else [copy]

    def check_takes_hints(self) -> None:
        """Check that the model takes hints.

        Raises:
          UserError: it does not.
        """
        if not self.takes_hints:
            name = self.config.generator.name
            raise UserError(f'hints: generator.name={name} takes none; leave them out, or use the model photos')

    def likely_colors(
        self, image: Any, x: float | int, y: float | int, hints: Any = (), count: int = 8
    ) -> list[tuple[str, float]]:
        """Return the colours that the network thinks likely at a place, similar ones merged.

        Args:
          image: a picture, as `__call__` takes it.
          x: of the place, in pixels from the left edge of the upright picture.
          y: from its upper edge.
          hints: those that are given already, as `__call__` takes them.
          count: of colours, at most.

        Returns:
          `#rrggbb` at that place's own lightness, and the probability of what was merged into it, the likeliest first.

        Raises:
          UserError: no picture, no such place, or a model that says no distribution.
        """
        return self.likely_colors_at(self.look(image, x, y, hints), count)

    def look(self, image: Any, x: float | int, y: float | int, hints: Any = ()) -> Spot:
        """Return what the network has to see of a picture to say what is likely at a place; see `likely_colors`."""
        if not (isinstance(self.space, Palette) and self.takes_hints):
            known = 'only palettes whose generator takes hints say how likely colours are'
            raise UserError(f'likely_colors: {known}, not {self.config.generator.name} in {self.space.name}')
        pixels = read_any(image).pixels
        height, width = pixels.shape[:2]
        (place,), given = color_hints.parse([(x, y, '#000000')]), color_hints.parse(hints)
        color_hints.check_inside([place], height, width)
        (copy,) = self.small_copies(pixels, Options(), given)
        if copy.hints is None:
            copy = copy._replace(hints=color_hints.draw([], height, width, copy))
        return Spot(copy, *color_hints.locate(place, height, width, copy.plan))

    def likely_colors_at(self, spot: Spot, count: int = 8) -> list[tuple[str, float]]:
        """Return what `likely_colors` does, of what `look` returned."""
        copy, row, column = spot
        _, output = self._apply([copy], Options(), 1, 0)
        ((lightness, *_),) = color_hints.to_lab(copy.pixels[row, column][None])
        logits = likely.logits_at(np.asarray(output)[0], row / copy.plan.shape[0], column / copy.plan.shape[1])
        assert isinstance(self.space, Palette)  # or there were no spot
        lab, even = map(np.asarray, likely.classes(lightness, space=self.space))
        colors, shares = likely.few(logits, lab, even, count)
        return list(zip(likely.to_hex(colors), shares.tolist(), strict=True))

    def predict(
        self, copies: Sequence[SmallCopy], options: Options, size: int, draw: int = 0
    ) -> list[Float[Array, 'k 4']]:
        """Return what the network says to small copies of one shape.

        Args:
          copies: `size` of them at most; all with hints, or none.
          options: of which saturation is for `render`, and `flip_average` for `small_copies`.
          size: of the batch; there is a program for each.
          draw: the number of the sample.
        """
        return self._apply(copies, options, size, draw)[0][: len(copies)]

    def _apply(
        self, copies: Sequence[SmallCopy], options: Options, size: int, draw: int
    ) -> tuple[list[Float[Array, 'k 4']], Float[Array, 'b p q c'] | None]:
        """Return what `network.predict` returns."""
        temperature, vividness = 1.0, 0.0
        if isinstance(self.space, Palette):
            temperature = self.space.temperature if options.temperature is None else options.temperature
            vividness = self.space.vividness if options.vividness is None else options.vividness
        key = None
        if options.samples or self.has_noise:
            key = jax.random.fold_in(jax.random.key(options.seed), draw)
        shape = copies[0].plan.shape
        batch = np.zeros((size, *shape, 3), np.uint8)
        filtered, mirrored = np.zeros((2, size), bool)
        for row, copy in enumerate(copies):
            batch[row], filtered[row], mirrored[row] = copy.pixels, copy.plan.filtered, copy.mirrored
        hints = None if copies[0].hints is None else _batch_of_hints(copies, size)
        program = self.programs[NetworkProgram(shape, size, key is not None, hints is not None)]
        numbers = np.float32(max(temperature, _COLDEST)), np.float32(vividness)
        return program(self.variables, batch, filtered, mirrored, key, *numbers, hints)

    def render(
        self, pixels: Pixels, plan: Plan, functions: Sequence[Float[Array, 'k 4']], options: Options
    ) -> Rendering:
        """Return the work of giving a picture [h, w, 1 | 3] what the network said to its small copies."""
        mean: Any = functions[0]
        if len(functions) > 1:
            mean = np.mean([np.asarray(one) for one in functions], axis=0)
        if options.warmth:
            mean = white_balance.warm(np.asarray(mean), options.warmth)
        return Rendering(pixels, mean, plan, options.saturation, self.programs.stretch)

    def _colorize(
        self, pictures: Sequence[Picture], hints: Sequence[Sequence[Hint]], options: Options, draw: int
    ) -> list[np.ndarray]:
        results: dict[int, np.ndarray] = {}
        predicted = defaultdict(list)
        kinds = [
            (self.shapes.plan(*picture.pixels.shape[:2]).shape, bool(given))
            for picture, given in zip(pictures, hints, strict=True)
        ]
        for chosen, size in batches.group(kinds):
            copies = [(i, copy) for i in chosen for copy in self.small_copies(pictures[i].pixels, options, hints[i])]
            for some, batch in batches.cut(copies, size):
                functions = self.predict([copy for _, copy in some], options, batch, draw)
                for (index, copy), one in zip(some, functions, strict=True):
                    predicted[index].append(one)
                    if len(predicted[index]) == 1 + options.flip_average:
                        work = self.render(pictures[index].pixels, copy.plan, predicted.pop(index), options)
                        while work.step():
                            pass
                        results[index] = work.result
        return [results[index] for index in range(len(pictures))]


def _hints_of_each(hints: Any, count: int) -> list[tuple[Hint, ...]]:
    """Return the hints of so many pictures, `hints` being a list for each, or None."""
    if hints is None:
        return [()] * count
    if not isinstance(hints, list | tuple) or len(hints) != count:
        raise UserError(f'hints={brief(hints)} is no list for each of {count} pictures; use [] for one without hints')
    return [color_hints.parse(given) for given in hints]


def _batch_of_hints(copies: Sequence[SmallCopy], size: int) -> Float[np.ndarray, 'b p q 3']:
    """Return the hints of small copies of one shape, and none for what is lacking to `size`."""
    height, width = copies[0].plan.shape
    batch = np.zeros((size, height // STRIDE, width // STRIDE, 3), np.float32)
    for row, copy in enumerate(copies):
        if copy.hints is not None:
            batch[row] = copy.hints
    return batch
