import numpy as np

from jaxcolor import quickstart
from jaxcolor.evaluation import quality


def test_table_says_in_words_what_is_worse_than_grey():
    true = np.random.default_rng(0).integers(60, 200, (2, 16, 16, 3), np.uint8)
    grey = quality.grey(true)
    lines = quickstart.table({'grey': grey, 'bad': true[..., ::-1], 'good': true}, true).splitlines()
    assert lines[0].split() == ['grey', 'bad', 'good']
    (psnr,) = (line for line in lines if line.startswith('PSNR'))
    assert float(psnr.split()[3]) == 100
    assert lines[-2].startswith('bad: worse than grey by PSNR, ')
    assert lines[-1] == 'good: better than grey by every measure'
