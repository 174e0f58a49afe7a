"""What became of the files of a command line, in a line for people."""

import dataclasses
from typing import Literal


@dataclasses.dataclass
class Tally:
    """What became of pictures, or of films."""

    kind: Literal['pictures', 'films'] = 'pictures'
    colored: int = 0
    incomplete: int = 0  # of those
    skipped: int = 0
    failed: int = 0
    seconds: float = 0.0
    frames: int = 0  # of films, coloured now

    def __str__(self) -> str:
        noun, done, unit = '', self.colored, 'images'
        if self.kind == 'films':
            noun, done, unit = 'film ' if self.colored == 1 else 'films ', self.frames, 'frames'
        parts = [f'{self.colored} {noun}coloured']
        if self.incomplete:
            parts[0] += f', {self.incomplete} incomplete'
        if self.skipped:
            parts.append(f'{self.skipped} skipped, already there; --overwrite colours again')
        if self.failed:
            parts.append(f'{self.failed} failed')
        if done:
            parts.append(f'{self.seconds:.1f} s, {done / self.seconds:.3g} {unit}/s')
        return '; '.join(parts)
