"""Seeds become mean and spread, worse than grey is named, and other pictures are another table."""

import statistics

import pytest
from helpers.records import write_run

from jaxcolor.compare import runs
from jaxcolor.compare.comparison import compare


def compared(tmp_path, *described):
    """The comparison of runs, each (name, scores of its one evaluation, fields)."""
    paths = [write_run(tmp_path / name, [{'step': 100, **scores}], fields=f) for name, scores, f in described]
    return compare(runs.read(paths))


def test_seeds_become_mean_and_spread(tmp_path):
    values = [9.0, 9.5, 8.2]
    found = compared(
        tmp_path,
        *((f'lab_seed{seed}', {'delta_e': value}, {'seed': seed}) for seed, value in enumerate(values)),
        ('smooth', {'delta_e': 8.0}, {'loss.label_smoothing': 0.1}),
    )
    assert [(group.name, group.seeds) for group in found.groups] == [('lab', [0, 1, 2]), ('smooth', [0])]
    (scored,) = found.sets
    lab, smooth = (cells['delta_e'] for cells in scored.cells)
    assert lab.mean == pytest.approx(statistics.mean(values))
    assert lab.spread == pytest.approx(statistics.stdev(values))
    assert str(lab) == '8.90 ± 0.66'
    assert (smooth.spread, smooth.best, lab.best) == (None, True, False)


def test_only_what_differs_is_listed(tmp_path):
    found = compared(
        tmp_path,
        ('a', {}, {'generator_optimizer.learning_rate': 1e-3, 'seed': 1}),
        ('b', {}, {'seed': 2}),
        ('c', {}, {'ema_decay': 0.99, 'eval_every': 5, 'keep': 9}),
    )
    assert found.fields == {'ema_decay': [0.0, 0.0, 0.99], 'generator_optimizer.learning_rate': [1e-3, 2e-4, 2e-4]}


def test_worse_than_grey_is_named(tmp_path):
    found = compared(tmp_path, ('a', {'psnr': 23.0, 'delta_e': float('nan')}, {}))
    (cells,) = found.sets[0].cells
    assert {name for name, cell in cells.items() if cell.worse} == {'psnr', 'delta_e'}
    assert 'a is worse than leaving the pictures grey by: PSNR, Delta E.' in found.notes


def test_other_pictures_are_another_table(tmp_path):
    same = {'grey_psnr': 24.0001}  # by another device
    other = {'grey_delta_e': 10.2}
    smaller = {'data.image_size': 16}
    found = compared(tmp_path, ('a', {}, {}), ('b', same, {'ema_decay': 0.9}), ('c', other, {}), ('d', {}, smaller))
    assert [[group.name for group in scored.groups] for scored in found.sets] == [['a', 'b'], ['c'], ['d']]
    assert 'scored on different pictures' in found.notes[0]


def test_errors_in_another_scale_are_not_compared(tmp_path):
    errors = {'target_mae': 0.1}
    one = compared(tmp_path / 'one', ('a', errors, {}), ('b', errors, {'ema_decay': 0.9}))
    two = compared(tmp_path / 'two', ('a', errors, {}), ('b', errors, {'space.scale': 100.0}))
    assert 'target_mae' in one.sets[0].scores
    assert 'target_mae' not in two.sets[0].scores


def test_what_a_reader_should_know(tmp_path):
    a = write_run(tmp_path / 'a_seed0', [{'step': 50}], [{'step': 60}], {'seed': 0})
    b = write_run(tmp_path / 'a_seed1', [{'step': 100}], fields={'seed': 1})
    (b / 'history.jsonl').write_text('{"step": 70, "field": "ema_decay", "old": 0.9, "new": 0.0}\n')
    c = write_run(tmp_path / 'a_again', [{'step': 100}], fields={'seed': 1})
    assert compare(runs.read([a, b, c])).notes == [
        'a_seed0 is at step 60 of 100: it goes on, or was stopped.',
        'a_seed1 had other settings on the way: ema_decay after step 70.',
        'The runs of a are at different steps; their mean is over these.',
        'Some runs of a have the same seed; their spread says little.',
    ]
