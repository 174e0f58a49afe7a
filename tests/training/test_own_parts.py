"""Networks, losses and metrics of the user's own, in a module that the package does not know."""

import json

import numpy as np
import pytest
from helpers.cluster import scalars

from jaxcolor import Colorizer, evaluate, train
from jaxcolor import config as configs
from jaxcolor.errors import UserError
from jaxcolor.evaluation.report import table

MODULE = """
import jax.numpy as jnp
from flax import linen as nn


class Pointwise(nn.Module):
    out_channels: int
    filters: int = 4
    output_activation: str = 'tanh'
    dtype: object = jnp.float32
    axis_name: str | None = None

    def check_size(self, height, width):
        pass

    def has_dropout(self):
        return False

    @nn.compact
    def __call__(self, x, train):
        x = nn.relu(nn.Conv(self.filters, (3, 3), dtype=self.dtype)(x))
        return jnp.tanh(nn.Conv(self.out_channels, (1, 1), dtype=self.dtype)(x)).astype(jnp.float32)


def quartic(prediction, target):
    return jnp.mean((prediction - target) ** 4)


def warmth(generated, true):
    return jnp.mean(generated[..., 0] - generated[..., 2], axis=(1, 2))


warmth.higher_is_better = True
shade = 0.5


class Range:
    higher_is_better = True

    def extract(self, generated, true):
        return {'ours': jnp.mean(generated, axis=(1, 2)), 'true': jnp.mean(true, axis=(1, 2))}

    def init(self):
        return {'ours': [], 'true': []}

    def update(self, state, rows):
        return {side: [*state[side], *rows[side]] for side in state}

    def finish(self, state):
        ours, true = (max(m[0] for m in means) - min(m[0] for m in means) for means in state.values())
        return ours / true


class Unfinished:
    extract = init = update = None


class Binned(Range):
    def __init__(self, bins):
        pass


def psnr(generated, true):
    return jnp.zeros(len(true))
"""


@pytest.fixture
def config(tmp_path, monkeypatch):
    (tmp_path / 'own_parts_of_a_user.py').write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    config = configs.default()
    configs.choose(config, 'generator', 'own_parts_of_a_user:Pointwise', filters=6)
    configs.smoke(config, image_size=16)
    config.discriminator = None
    config.update(num_steps=2, eval_every=1, checkpoint_every=2)
    config.data.source = 'bundled'
    return config


@pytest.mark.parametrize('metric', ['own_parts_of_a_user:warmth', 'own_parts_of_a_user:Range'])
def test_a_network_a_loss_and_metrics_of_ones_own(config, tmp_path, metric):
    config.loss.reconstruction = 'own_parts_of_a_user:quartic'
    config.metrics = ('own_parts_of_a_user:warmth', 'own_parts_of_a_user:Range')
    config.early_stopping.update(metric=metric, patience=9)
    scores = train(config, tmp_path / 'run')
    lines = [json.loads(line) for line in (tmp_path / 'run' / 'evaluations.jsonl').read_text().splitlines()]
    assert [line['step'] for line in lines] == [1, 2]
    assert scores['step'] == max(lines, key=lambda line: line[metric.partition(':')[2]])['step']
    assert scores['grey_warmth'] == pytest.approx(0, abs=1e-5)
    assert 0 < scores['grey_Range'] < 2  # of the reds of grey pictures to those of the true ones
    rows = [line for line in table(scores).splitlines() if line.endswith('a metric of your own')]
    assert [row.split()[0] for row in rows] == ['warmth', 'Range']
    recorded = {tag for tag, _ in scalars(tmp_path / 'run')}
    assert {'evaluations/warmth', 'evaluations/Range', 'evaluations/grey_Range'} <= recorded
    losses = json.loads((tmp_path / 'run' / 'losses.jsonl').read_text().splitlines()[0])
    assert 0 < losses['reconstruction'] < 0.05  # of a fourth power; L1 is ten times that
    assert evaluate(config, tmp_path / 'run') == pytest.approx(scores, rel=1e-4)
    colorizer = Colorizer.restore(str(tmp_path / 'run'))
    assert colorizer.generator.filters == 6
    grey = np.full((20, 24, 1), 100, np.uint8)
    assert colorizer(grey).shape == (20, 24, 3)


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'metrics': ('own_parts_of_a_user:cold',)}, "has no attribute 'cold'; put the folder of"),
        ({'metrics': ('own_parts_of_a_user:shade',)}, 'metric=own_parts_of_a_user:shade is no function'),
        (
            {'metrics': ('own_parts_of_a_user:Unfinished',)},
            'Unfinished is no function; .* has extract, init, update, fin',
        ),
        ({'metrics': ('own_parts_of_a_user:Binned',)}, "Binned: .*missing 1 .*'bins'; name an object of that class"),
        ({'metrics': ('own_parts_of_a_user:psnr',)}, 'there is a score of that name already'),
        ({'metrics': ('warmth',)}, "metric='warmth' is unknown; known: psnr,"),
        ({'loss.reconstruction': 'own_parts_of_a_user:shade'}, 'is no function'),
        ({'loss.reconstruction': 'no_such_module:huber'}, 'no_such_module:huber: No module named'),
        ({'loss.reconstruction': 'l3'}, 'l3'),
        ({'early_stopping.metric': 'own_parts_of_a_user:warmth'}, 'is not measured'),
    ],
)
def test_a_part_that_is_none(config, tmp_path, changes, message):
    config.update_from_flattened_dict(changes)
    with pytest.raises(UserError, match=message):
        train(config, tmp_path / 'run')
    assert not (tmp_path / 'run').exists()
