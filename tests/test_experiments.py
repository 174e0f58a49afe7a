"""Experiments by name, with other parts, and with optional fields left out."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import jaxcolor
from jaxcolor import config as configs
from jaxcolor import experiments
from jaxcolor.checkpoints.load import load
from jaxcolor.errors import UserError
from jaxcolor.training import init_from
from jaxcolor.training.optimizers import build_optimizer
from jaxcolor.training.schedule import Schedule

ROOT = Path(__file__).parents[1]


def test_a_name_is_the_file():
    by_name, by_path = experiments.get_config('cifar_dcgan'), experiments.get_config(f'{ROOT}/configs/cifar_dcgan.py')
    assert configs.to_json(by_name) == configs.to_json(by_path)
    assert set(experiments.paths()) == {path.stem for path in (ROOT / 'configs').glob('*.py')}


def test_a_file_of_a_configs_name_is_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'quickstart').write_text('raise SystemExit')
    assert experiments.get_config('quickstart').data.source == 'bundled'


def test_other_parts_with_the_defaults_of_their_fields():
    config = experiments.get_config('cifar_pix2pix:smoke,generator=dcgan,discriminator=none')
    assert config.num_steps == 24  # of smoke
    assert (config.generator.name, config.generator.filters) == ('dcgan', 32)
    assert config.discriminator is None
    assert experiments.get_config('cifar_pix2pix:space=luv').space.name == 'luv'


@pytest.mark.parametrize(
    ('name', 'message'),
    [
        ('cifar_dgan', 'there is no such file or config; did you mean cifar_dcgan?'),
        ('zzz', 'there is no such file or config; known: cifar_autoencoder_gan, '),
        ('cifar_pix2pix:fast', "no variant 'fast' of this config"),
        ('cifar_pix2pix:critic=dense', 'critic is no part; use space, generator, discriminator'),
        ('cifar_pix2pix:generator=unnet', 'resnet_unet, efficientnet_unet; did you mean unet?'),
        ('cifar_pix2pix:generator=json:JSONDecoder', 'generator.name=json:JSONDecoder is no Linen module; use a'),
        (
            'cifar_pix2pix:generator=nowhere:Net',
            "No module named 'nowhere'; put the folder of nowhere.py into PYTHONPA",
        ),
    ],
)
def test_what_is_wrong_with_a_name(name, message):
    with pytest.raises(UserError) as error:
        experiments.get_config(name)
    assert message in str(error.value)


def test_fine_tuning_is_of_the_model_that_comes_along_and_fits_forty_pictures():
    config, model = experiments.get_config('photos:finetune'), load('photos')
    assert init_from.read(config).step == model.step
    assert configs.model_differences(model.config, config).keys() <= {'space.size', 'space.centers'}  # learned ones
    total = Schedule.of(config, steps_per_epoch=2).total
    build_optimizer('generator_optimizer', config.generator_optimizer, total)


def test_optional_fields_may_be_none():
    config = experiments.get_config('quickstart:smoke')
    configs.clear(config, 'eval_every')
    configs.clear(config, 'discriminator')
    assert (config.eval_every, config.discriminator) == (None, None)
    with pytest.raises(UserError, match=r'batch_size=None: it is not optional; use a value, such as the default 16'):
        configs.clear(config, 'data.batch_size')
    with pytest.raises(UserError, match=r'data\.batch=None: there is no such field'):
        configs.clear(config, 'data.batch')


def test_the_wheel_has_the_configs(tmp_path):
    build = [sys.executable, '-m', 'pip', 'wheel', '--quiet', '--no-deps', '--no-build-isolation', '--wheel-dir']
    subprocess.run([*build, str(tmp_path), '.'], cwd=ROOT, check=True)
    (wheel,) = tmp_path.glob('*.whl')
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {f'jaxcolor/configs/{name}.py' for name in experiments.paths()} <= names
    assert {f'jaxcolor/configs/sweeps/{name}.py' for name in experiments.paths('sweep')} <= names
    assert 'jaxcolor/compare/page.css' in names
    assert 'jaxcolor/py.typed' in names


def test_the_public_names():
    assert jaxcolor.__version__ == '0.1.0'
    assert jaxcolor.train.__module__ == jaxcolor.evaluate.__module__ == 'jaxcolor.training.train'
    with pytest.raises(AttributeError, match="has no attribute 'colourise'"):
        _ = jaxcolor.colourise


def test_a_file_whose_function_takes_no_variant(tmp_path):
    file = tmp_path / 'mine.py'
    file.write_text('from jaxcolor import config as configs\n\ndef get_config():\n    return configs.default()\n')
    assert experiments.get_config(str(file)).num_epochs == 45
    assert experiments.get_config(f'{file}:generator=dcgan').generator.name == 'dcgan'
