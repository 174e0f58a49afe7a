"""Make the golden files of EfficientNet-Lite0 and its U-Net: `python tests/models/golden/efficientnet_make.py`.

Weights are not stored: `draw_entry` and `draw_param` make the same ones here and in the tests.
"""

import runpy
from collections.abc import Mapping
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent
WIDTH, SIZE, BATCH, COLORS = 0.1, 64, 2, 5
CHANNELS = (8, 8, 8, 8, 8, 16, 24, 32)  # of the stem and the stages at this width
TAPPED = (8, 8, 8, 16, 32)  # channels of the features
WIDTHS, BLOCKS = (8, 6, 5, 4), (1, 2, 2, 1)
GRADIENTS = ('bottom_in/kernel', 'up_16_1_depthwise/kernel', 'up_8_hints_0/kernel', 'mean/bias', 'output/kernel')

draw = runpy.run_path(str(FOLDER / 'make.py'))['draw']


def draw_entry(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Draw what a state dict holds under `name`: scales and variances about 1, all else about 0."""
    if name.endswith('num_batches_tracked'):
        return np.zeros(shape, np.int64)
    about_one = name.endswith('running_var') or (len(shape) == 1 and name.endswith('weight'))
    return np.abs(draw(name, shape) + about_one) if about_one else draw(name, shape)


def draw_state_dict(golden: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Draw the state dict whose names and shapes the golden file lists."""
    entries = (entry.split() for entry in golden['entries'])
    return {name: draw_entry(name, tuple(map(int, shape))) for name, *shape in entries}


def draw_hints() -> np.ndarray:
    """Draw hints at a tenth of the places, a quarter of the size."""
    drawn = draw('hints', (BATCH, SIZE // 4, SIZE // 4, 3))
    given = (
        draw('given', (BATCH, SIZE // 4, SIZE // 4, 1)) > 1.3 * draw('given', (BATCH, SIZE // 4, SIZE // 4, 1)).std()
    )
    drawn[..., 2] = 1
    return drawn * given


def main() -> None:
    import torch
    from efficientnet_networks import Decoder, EfficientNetLite0
    from torch_networks import to_numpy, to_torch

    encoder = EfficientNetLite0(CHANNELS)
    state = encoder.state_dict()
    encoder.load_state_dict({n: torch.from_numpy(draw_entry(n, tuple(t.shape))) for n, t in state.items()})
    encoder.eval()
    features = encoder(to_torch(draw('x', (BATCH, SIZE, SIZE, 1))))
    entries = [' '.join(map(str, (n, *t.shape))) for n, t in encoder.state_dict().items()]
    result = {'entries': np.array(entries)} | {f'features {i}': to_numpy(f) for i, f in enumerate(features)}

    decoder = Decoder(TAPPED, WIDTHS, BLOCKS, COLORS)
    decoder.eval()
    with torch.no_grad():
        for name, parameter in decoder.named_parameters():
            layer, _, kind = name.rpartition('.')
            if parameter.ndim == 4:
                drawn = draw(f'{layer}/kernel', tuple(parameter.shape[axis] for axis in (2, 3, 1, 0)))
                if parameter.shape[1] == 1 and 'depthwise' in layer:
                    drawn = draw(f'{layer}/kernel', (*parameter.shape[2:], parameter.shape[0]))[:, :, None]
                parameter.copy_(torch.from_numpy(drawn.transpose(3, 2, 0, 1)))
            else:
                kind = 'scale' if layer.endswith('norm') and kind == 'weight' else 'bias'
                parameter.copy_(torch.from_numpy(draw(f'{layer}/{kind}', tuple(parameter.shape))))
    hints = to_torch(draw_hints())
    features = [feature.detach() for feature in features]
    result['output'] = to_numpy(decoder(features, hints))
    result['without hints'] = to_numpy(decoder(features, torch.zeros_like(hints)))
    output = decoder(features, hints)
    (output * to_torch(draw('cotangent', (BATCH, SIZE // 4, SIZE // 4, COLORS)))).sum().backward()
    for name in GRADIENTS:
        layer, kind = name.split('/')
        gradient = decoder.get_submodule(layer).get_parameter({'kernel': 'weight', 'bias': 'bias'}[kind]).grad
        if gradient.ndim == 4:
            gradient = gradient.permute(2, 3, 1, 0)
        result[f'grad {name}'] = gradient[:, :, 0].numpy() if 'depthwise' in layer else gradient.numpy()
    np.savez_compressed(FOLDER / 'efficientnet.npz', **result)


if __name__ == '__main__':
    main()
