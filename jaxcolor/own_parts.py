"""Parts of one's own by name: `my_module:thing`, of a module that Python finds."""

import difflib
import importlib
from collections.abc import Mapping
from typing import Any

from jaxcolor.errors import UserError


def find(field: str, name: str, known: Mapping[str, Any]) -> Any:
    """Return the part called `name`: one of `known`, or what `my_module:thing` says.

    Args:
      field: of the config that names it, for errors.
      name: of the part.
      known: parts that come along, by their names.

    Raises:
      UserError: there is none.
    """
    if name in known:
        return known[name]
    path, colon, attribute = str(name).partition(':')
    if not colon:
        near = difflib.get_close_matches(str(name), known, 1)
        guess = f'did you mean {near[0]}?' if near else 'or use my_module:name'
        raise UserError(f'{field}={name!r} is unknown; known: {", ".join(known)}; {guess}')
    try:
        return getattr(importlib.import_module(path), attribute)
    except (ImportError, AttributeError) as error:
        raise UserError(f'{field}={name}: {error}; put the folder of {path}.py into PYTHONPATH') from error
