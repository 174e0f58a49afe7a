"""A node for ComfyUI, `Colorize (jaxcolor)`: pictures in, the same pictures in colour out."""

import functools
import os
from typing import Any

# Before JAX starts: it would take three quarters of a GPU's memory, which torch has use for.
os.environ.setdefault('XLA_PYTHON_CLIENT_PREALLOCATE', 'false')

from jaxcolor import Colorizer, compilation_cache, weights

compilation_cache.use()


@functools.lru_cache(maxsize=1)
def _load(model: str) -> Colorizer:
    return Colorizer.restore(model)


class JaxcolorColorize:
    """Gives pictures their colours; what ComfyUI asks of a node."""

    CATEGORY = 'image/color'
    DESCRIPTION = 'Colours black-and-white pictures, or coloured ones anew by their lightness.'
    FUNCTION = 'colorize'
    RETURN_TYPES = ('IMAGE',)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802
        """Return the node's inputs, with their bounds."""
        model = 'photos, which comes along; the work directory of a run; a .safetensors file; hf:OWNER/NAME'
        vividness = '0 is calm, 0.4 is bold; of models with a palette'
        return {
            'required': {
                'image': ('IMAGE',),
                'model': ('STRING', {'default': weights.DEFAULT, 'tooltip': model}),
                'vividness': ('FLOAT', {'default': 0.1, 'min': 0, 'max': 1, 'step': 0.05, 'tooltip': vividness}),
                'saturation': ('FLOAT', {'default': 1, 'min': 0, 'max': 4, 'step': 0.05, 'tooltip': '0 is grey'}),
            }
        }

    def colorize(self, image: Any, model: str, vividness: float, saturation: float) -> tuple[Any]:
        """Colours a batch.

        Args:
          image: a tensor [b, h, w, c] of floats in [0, 1], c 3 or, with alpha, 4.
          model: see `Colorizer.restore`.
          vividness: of models that have a palette; others go without.
          saturation: what the chroma is multiplied by, 0 to 4.

        Returns:
          The batch in colour, of the same shape, dtype and device.

        Raises:
          UserError: no such model, or one without this vividness.
        """
        colorizer = _load(model)
        colored = colorizer(
            image.float().clamp(0, 1).cpu().numpy(),
            saturation=saturation,
            vividness=vividness if colorizer.has_palette else None,
        )
        return (image.new_tensor(colored),)


NODE_CLASS_MAPPINGS = {'JaxcolorColorize': JaxcolorColorize}
NODE_DISPLAY_NAME_MAPPINGS = {'JaxcolorColorize': 'Colorize (jaxcolor)'}
