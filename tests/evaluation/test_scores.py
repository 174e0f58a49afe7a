import math

import pytest

from jaxcolor.evaluation.scores import worse_than_baseline


@pytest.mark.parametrize(
    ('metric', 'scores', 'worse'),
    [
        ('delta_e', {'delta_e': 9.0, 'grey_delta_e': 10.0}, False),
        ('delta_e', {'delta_e': 10.0, 'grey_delta_e': 10.0}, False),
        ('delta_e', {'delta_e': 11.0, 'grey_delta_e': 10.0}, True),
        ('delta_e', {'delta_e': math.nan, 'grey_delta_e': 10.0}, True),
        ('psnr', {'psnr': 9.0, 'grey_psnr': 10.0}, True),
        ('psnr', {'psnr': 11.0, 'grey_psnr': 10.0, 'delta_e': 99.0, 'grey_delta_e': 10.0}, False),
        (
            'frechet_lite0',
            {'frechet_lite0': 11.0, 'grey_frechet_lite0': 12.0, 'delta_e': 9.0, 'grey_delta_e': 8.0},
            False,
        ),
        ('colorfulness', {'colorfulness': 40.0, 'delta_e': 11.0, 'grey_delta_e': 10.0}, True),
    ],
)
def test_worse_than_grey_by_one_score(metric, scores, worse):
    assert worse_than_baseline(metric, scores) == worse
