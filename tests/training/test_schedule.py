import itertools

import pytest

from jaxcolor.training.schedule import Schedule


@pytest.mark.parametrize(
    'schedule', [Schedule(7, 23, 5, 12, 8), Schedule(0, 23, 50, 50, 50), Schedule(23, 23, 1, 4, 4)]
)
def test_stops_are_where_something_is_due(schedule):
    def stops(step):
        return step == schedule.warmup or any(schedule.due(every, step) for every in schedule[2:])

    for step in range(schedule.total):
        assert schedule.next_stop(step) == next(later for later in itertools.count(step + 1) if stops(later))


def test_epochs_become_steps(config):
    config.update(warmup_epochs=1.0, num_epochs=4.0, log_every=5)
    assert Schedule.of(config, steps_per_epoch=3) == Schedule(warmup=3, total=12, log=5, evaluate=3, save=3)
    config.update(num_steps=2, eval_every=7, checkpoint_every=9)
    assert Schedule.of(config, steps_per_epoch=3) == Schedule(warmup=2, total=2, log=5, evaluate=7, save=9)
