"""When things happen in a run."""

from typing import NamedTuple

import ml_collections


class Schedule(NamedTuple):
    """When things happen, in steps."""

    warmup: int  # up to this step the generator learns from reconstruction alone
    total: int
    log: int
    evaluate: int
    save: int

    @classmethod
    def of(cls, config: ml_collections.ConfigDict, steps_per_epoch: int) -> 'Schedule':
        """Turn the config's epochs into steps."""
        epoch = steps_per_epoch
        total = config.num_steps or max(1, round(config.num_epochs * epoch))
        return cls(
            warmup=min(round(config.warmup_epochs * epoch), total),
            total=total,
            log=config.log_every,
            evaluate=config.eval_every or epoch,
            save=config.checkpoint_every or epoch,
        )

    def due(self, every: int, step: int) -> bool:
        """Whether something that happens `every` so many steps, and at the end, happens after `step`."""
        return step % every == 0 or step == self.total

    def next_stop(self, step: int) -> int:
        """Return the first step after `step` at which something is due, or the warm-up ends; not past the end."""
        stops = [(step // every + 1) * every for every in (self.log, self.evaluate, self.save)]
        return min(stop for stop in (*stops, self.warmup, self.total) if stop > step)
