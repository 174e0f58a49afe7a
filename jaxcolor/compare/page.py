"""A comparison as one HTML page that needs nothing beside it: no script, no network, light and dark."""

import re
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from pathlib import Path

from jaxcolor.compare import curves
from jaxcolor.compare.comparison import Cell, Comparison, DataSet, Group
from jaxcolor.compare.curves import Panel
from jaxcolor.compare.samples import Pictures, Samples, data_uris
from jaxcolor.evaluation.scores import COLORFULNESS, Score

_TRUTH, _GREY = 'true', 'left grey'


def render(title: str, comparison: Comparison, panels: Sequence[Panel], samples: Sequence[Samples]) -> str:
    """Return the page.

    Args:
      title: its heading.
      comparison: the scores, and what differs.
      panels: the curves of its groups.
      samples: the pictures of its runs.
    """
    css = Path(__file__).with_name('page.css').read_text()
    return '\n'.join(
        [
            '<!doctype html>',
            '<html lang="en">',
            '<head>',
            '<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f'<title>{escape(title)}</title>',
            f'<style>\n{css}</style>',
            '</head>',
            '<body>',
            '<main>',
            f'<h1>{escape(title)}</h1>',
            *_notes(comparison.notes),
            '<h2>Scores</h2>',
            *(line for found in comparison.sets for line in _scores(found)),
            '<h2>Curves</h2>',
            *_curves(comparison.groups, panels),
            '<h2>Pictures</h2>',
            *_pictures(samples),
            '<h2>What differs in the configs</h2>',
            *_fields(comparison),
            '</main>',
            '</body>',
            '</html>',
            '',
        ]
    )


def _notes(notes: Sequence[str]) -> Iterator[str]:
    if notes:
        yield '<ul class="notes">'
        yield from (f'<li>{escape(note)}</li>' for note in notes)
        yield '</ul>'


def _table(label: str, name: str, lines: Iterable[str]) -> Iterator[str]:
    """Yield a table that the keyboard can scroll where the screen is narrower."""
    yield f'<div class="scroll" role="region" tabindex="0" aria-label="{escape(label)}">'
    yield f'<table class="{name}">'
    yield from lines
    yield '</table>'
    yield '</div>'


def _scores(found: DataSet) -> Iterator[str]:
    yield f'<h3>{escape(found.title)}</h3>'
    if any(len(group.runs) > 1 for group in found.groups):
        yield '<p class="soft">Mean ± sample standard deviation over the runs of a config.</p>'

    def lines() -> Iterator[str]:
        yield '<thead>'
        names = [
            f'<th scope="col">{escape(s.title)}<small>{escape(meaning(s))}</small></th>' for s in found.scores.values()
        ]
        seeds = '<th scope="col">runs<small>seeds</small></th>'
        yield f'<tr><th scope="col">run</th>{seeds}<th scope="col">step</th>{"".join(names)}</tr>'
        yield '</thead>'
        yield '<tbody>'
        for group, cells in zip(found.groups, found.cells, strict=True):
            seeds = f'{len(group.runs)}<small>{", ".join(map(str, group.seeds))}</small>'
            row = ''.join(_score(cells.get(name)) for name in found.scores)
            yield f'<tr><th scope="row">{_breakable(group.name)}</th><td>{seeds}</td><td>{group.steps}</td>{row}</tr>'
        row = ''.join(_score(found.grey.get(name)) for name in found.scores)
        yield f'<tr class="grey"><th scope="row">{_GREY}</th><td></td><td></td>{row}</tr>'
        if found.true_colorfulness:
            true = (found.true_colorfulness if name == 'colorfulness' else None for name in found.scores)
            yield f'<tr class="grey"><th scope="row">{_TRUTH}</th><td></td><td></td>{"".join(map(_score, true))}</tr>'
        yield '</tbody>'

    yield from _table(f'Scores of {found.title}', 'scores', lines())


def meaning(score: Score) -> str:
    """Return a score's unit, and what to wish for; of colorfulness that is the truth's, not the most."""
    return score.unit if score is COLORFULNESS else score.meaning


def _score(cell: Cell | None) -> str:
    if cell is None:
        return '<td></td>'
    text = f'<strong>{cell}</strong>' if cell.best else str(cell)
    return f'<td class="worse">{text}<small>worse than grey</small></td>' if cell.worse else f'<td>{text}</td>'


def _fields(comparison: Comparison) -> Iterator[str]:
    if len(comparison.groups) == 1:
        yield '<p>Nothing but the seeds: there is one config.</p>'
        return
    if not comparison.fields:
        yield '<p>Nothing in the configs.</p>'
        return

    def lines() -> Iterator[str]:
        names = ''.join(f'<th scope="col">{_breakable(group.name)}</th>' for group in comparison.groups)
        yield f'<thead><tr><th scope="col">field</th>{names}</tr></thead>'
        yield '<tbody>'
        for field, values in comparison.fields.items():
            row = ''.join(f'<td>{escape(shown(value))}</td>' for value in values)
            yield f'<tr><th scope="row">{_breakable(field)}</th>{row}</tr>'
        yield '</tbody>'

    yield '<p class="soft">All other fields are the same, but for seeds and how often something is written down.</p>'
    yield from _table('What differs in the configs', 'fields', lines())


def _breakable(name: str) -> str:
    """Return a name, as HTML, that may go on in the next line after a point, a slash or an underscore."""
    return re.sub(r'([._/])', r'\1<wbr>', escape(name))


def shown(value: object) -> str:
    """Return the value of a field in few words."""
    text = str(value)
    return text if len(text) <= 60 else f'{text[:59]}…'


def _curves(groups: Sequence[Group], panels: Sequence[Panel]) -> Iterator[str]:
    if not panels:
        yield '<p>No run has a loss or a score that is a number.</p>'
        return
    yield '<ul class="legend">'
    for number, group in enumerate(groups):
        _, dashes = curves.style(number)
        line = (
            f'stroke="var(--line-{number % len(curves.COLORS)})" stroke-width="3" stroke-dasharray="{dashes or "none"}"'
        )
        swatch = f'<svg viewBox="0 0 38 12" aria-hidden="true"><path d="M0 6h38" {line}/></svg>'
        yield f'<li>{swatch}{escape(group.name)}</li>'
    yield '</ul>'
    yield (
        '<p class="soft">Losses are running means; a band is the standard deviation over seeds; a dotted line is the '
        'score of grey pictures (of colorfulness: that of the true ones). Losses of other weights, spaces or labels '
        'have other scales. Time is that of the steps, from images/s: without compilation, evaluations and breaks.</p>'
    )
    for panel in panels:
        yield f'<h3>{escape(panel.title)}</h3>'
        yield '<div class="pair">'
        for kind, drawing in (('over steps', panel.over_steps), ('over time', panel.over_time)):
            if drawing:
                names = ', '.join(group.name for group in groups)
                label = escape(f'{panel.title}, {kind}: {names}')
                yield f'<figure role="img" aria-label="{label}">{drawing}</figure>'
        yield '</div>'


def _pictures(samples: Sequence[Samples]) -> Iterator[str]:
    if not samples:
        yield '<p>No run has drawn any.</p>'
        return
    yield (
        '<p class="soft">Test pictures as each run drew them at the evaluation above, at the size of its network. '
        'Above 64 px they are compressed here.</p>'
    )
    if len(samples) > 1:
        yield '<p>The runs drew different pictures, or cut them in other ways: those of one table are the same.</p>'
    for number, found in enumerate(samples):
        yield from _table(f'Pictures {number + 1} of {len(samples)}', 'pictures', _rows(found))


def _rows(samples: Samples) -> Iterator[str]:
    columns = ''.join(f'<th scope="col">{number + 1}</th>' for number in range(len(samples.true)))
    yield f'<thead><tr><th scope="col">by</th>{columns}</tr></thead>'
    yield '<tbody>'
    for label, row in {_TRUTH: samples.true, _GREY: samples.grey}.items():
        yield _row(label, row)
    for name, row in samples.generated.items():
        yield _row(name, row)
    yield '</tbody>'


def _row(label: str, pictures: Pictures) -> str:
    small = ' class="small"' if pictures.shape[2] < 112 else ''
    size = f'width="{pictures.shape[2]}" height="{pictures.shape[1]}"'
    cells = (
        f'<td><img{small} {size} alt="picture {number + 1}, {escape(label)}" src="{uri}"></td>'
        for number, uri in enumerate(data_uris(pictures))
    )
    return f'<tr><th scope="row">{_breakable(label)}</th>{"".join(cells)}</tr>'
