"""Make the golden files of FID's Inception-v3 and of LPIPS from their authors' own code.

    pip install torch torchvision pytorch-fid lpips
    python tests/models/golden/metric_networks_make.py

Weights are not stored: `draw_entry` makes the same ones here and in the tests.
"""

import zlib
from collections.abc import Mapping
from pathlib import Path
from unittest import mock

import numpy as np

FOLDER = Path(__file__).parent
PICTURES = (2, 64, 48, 3)
NETWORKS = ('alex', 'vgg')


def draw_pictures(name: str) -> np.ndarray:
    """Draw soft pictures in [0, 1]."""
    batch, height, width, channels = PICTURES
    coarse = generator(name).random((batch, height // 8, width // 8, channels), np.float32)
    return np.kron(coarse, np.ones((1, 8, 8, 1), np.float32))


def draw_entry(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Draw what a state dict holds under `name`, so that no layer makes its input much larger or smaller."""
    rng = generator(name)
    if name.endswith('num_batches_tracked'):
        return np.zeros(shape, np.int64)
    if name.startswith('lin'):  # LPIPS' weights are positive
        return rng.random(shape, np.float32)
    if len(shape) > 1:
        return rng.standard_normal(shape, np.float32) * np.float32(np.sqrt(2 / np.prod(shape[1:])))
    if name.endswith(('running_var', 'bn.weight')):
        return rng.random(shape, np.float32) + np.float32(0.5)
    return np.float32(0.1) * rng.standard_normal(shape, np.float32)


def generator(name: str) -> np.random.Generator:
    """Return the random numbers that belong to a name."""
    return np.random.default_rng(zlib.crc32(name.encode()))


def draw_state_dict(entries: np.ndarray) -> dict[str, np.ndarray]:
    """Draw the state dict whose names and shapes are listed."""
    split = (entry.split() for entry in entries)
    return {name: draw_entry(name, tuple(map(int, shape))) for name, *shape in split}


def main() -> None:
    import lpips
    import pytorch_fid.inception
    import torch
    import torchvision

    def drawn(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        return {name: torch.from_numpy(draw_entry(name, tuple(t.shape))) for name, t in state.items()}

    def listed(state: Mapping[str, torch.Tensor]) -> np.ndarray:
        return np.array([' '.join(map(str, (name, *t.shape))) for name, t in state.items()])

    def tensor(name: str) -> torch.Tensor:
        return torch.from_numpy(draw_pictures(name).transpose(0, 3, 1, 2))

    def original() -> torch.nn.Module:
        """pytorch-fid's network, with drawn weights in place of those that it would download."""
        taken: list[torch.nn.Module] = []

        def load(network: torch.nn.Module, _: object) -> None:
            network_load(network, drawn(network.state_dict()))
            taken.append(network)

        network_load = torch.nn.Module.load_state_dict
        with (
            mock.patch.object(pytorch_fid.inception, 'load_state_dict_from_url', lambda *_, **__: {}),
            mock.patch.object(torch.nn.Module, 'load_state_dict', load),
        ):
            network = pytorch_fid.inception.InceptionV3()
        entries.append(listed(taken[0].state_dict()))
        return network.eval()

    entries: list[np.ndarray] = []
    with torch.no_grad():
        features = original()(tensor('generated'))[0][..., 0, 0].numpy()
        np.savez_compressed(FOLDER / 'fid_inception.npz', entries=entries[0], features=features)
        result = {}
        for network in NETWORKS:
            metric = lpips.LPIPS(net=network, pretrained=False, pnet_rand=True, verbose=False)
            model = {'alex': torchvision.models.alexnet, 'vgg': torchvision.models.vgg16}[network]()
            backbone = {name: t for name, t in model.state_dict().items() if name.startswith('features.')}
            slices = {f'net.slice{k}': getattr(metric.net, f'slice{k}') for k in range(1, 6)}
            for stage in slices.values():
                for number, layer in stage.named_children():
                    for kind, parameter in layer.named_parameters():
                        name = f'features.{number}.{kind}'
                        parameter.copy_(torch.from_numpy(draw_entry(name, tuple(backbone.pop(name).shape))))
            assert not backbone
            heads = {
                name: t for name, t in metric.state_dict().items() if name.startswith('lin') and 'lins' not in name
            }
            metric.load_state_dict(drawn(heads), strict=False)
            result[f'{network} backbone'] = listed(
                {name: t for name, t in model.state_dict().items() if name.startswith('features.')}
            )
            result[f'{network} heads'] = listed(heads)
            distance = metric(tensor('generated'), tensor('true'), normalize=True)
            result[f'{network} distance'] = distance.numpy().reshape(-1)
        np.savez_compressed(FOLDER / 'lpips.npz', **result)


if __name__ == '__main__':
    main()
