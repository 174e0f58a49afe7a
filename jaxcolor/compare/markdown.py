"""A comparison as Markdown: its notes, and its tables."""

from collections.abc import Iterable, Iterator, Sequence

from jaxcolor.compare.comparison import Cell, Comparison, DataSet
from jaxcolor.compare.page import meaning, shown


def render(title: str, comparison: Comparison) -> str:
    """Return the text, with a line break at its end."""
    lines = [f'# {title}', '']
    if comparison.notes:
        lines += [*(f'- {note}' for note in comparison.notes), '']
    for found in comparison.sets:
        lines += [
            f'{found.title}; a mean over several seeds has its sample standard deviation.',
            '',
            *_scores(found),
            '',
        ]
    if comparison.fields:
        head = ['field', *(group.name for group in comparison.groups)]
        lines += _table(head, ([field, *map(shown, values)] for field, values in comparison.fields.items()))
    return '\n'.join(lines).rstrip() + '\n'


def _scores(found: DataSet) -> Iterator[str]:
    head = ['run', 'seeds', 'step', *(f'{s.title} ({meaning(s)})' for s in found.scores.values())]
    rows = [
        [group.name, ', '.join(map(str, group.seeds)), group.steps, *(_cell(cells.get(name)) for name in found.scores)]
        for group, cells in zip(found.groups, found.cells, strict=True)
    ]
    rows.append(['left grey', '', '', *(_cell(found.grey.get(name)) for name in found.scores)])
    if found.true_colorfulness:
        true = (found.true_colorfulness if name == 'colorfulness' else None for name in found.scores)
        rows.append(['true', '', '', *map(_cell, true)])
    return _table(head, rows)


def _cell(cell: Cell | None) -> str:
    if cell is None:
        return ''
    text = f'**{cell}**' if cell.best else str(cell)
    return f'{text} (worse than grey)' if cell.worse else text


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    for row in (head, ['---'] * len(head), *rows):
        yield f'| {" | ".join(cell.replace("|", chr(92) + "|") for cell in row)} |'
