"""The page and the table of some runs, as files."""

from collections.abc import Sequence
from pathlib import Path

from etils import epath

from jaxcolor.compare import curves, markdown, page, samples
from jaxcolor.compare.comparison import compare
from jaxcolor.compare.runs import Run
from jaxcolor.errors import UserError
from jaxcolor.storage import explain_refusal, write_atomic


def write(runs: Sequence[Run], output: epath.PathLike, title: str, notes: Sequence[str] = ()) -> tuple[epath.Path, str]:
    """Write the page to `output`, and the table beside it as `.md`; return the path of the latter, and its text.

    Args:
      runs: in the order of their rows.
      output: the page.
      title: its heading.
      notes: what else is to be said first.

    Raises:
      UserError: `output` does not end in `.html`, or can't be written.
    """
    path = epath.Path(output)
    check_output(output)
    comparison = compare(runs)
    comparison.notes[:0] = notes
    found, missing = samples.collect(runs)
    if missing:
        comparison.notes.append(f'No pictures of {", ".join(missing)}: samples/ has none of the step that is compared.')
    text = markdown.render(title, comparison)
    table = path.with_suffix('.md')
    with explain_refusal(path, '--output'):
        write_atomic(path, page.render(title, comparison, curves.panels(comparison.groups), found).encode())
        write_atomic(table, text.encode())
    return table, text


def check_output(output: epath.PathLike) -> None:
    """Check the name of a page.

    Raises:
      UserError: it does not end in `.html`.
    """
    if Path(output).suffix not in ('.html', '.htm'):
        raise UserError(f'--output={output} is no page; use a name that ends in .html')
