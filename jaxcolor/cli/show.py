"""`jaxcolor train CONFIG --show`: every field of a config, with its default and what it means."""

import ast
import inspect
import io
import re
import textwrap
import tokenize
from collections.abc import Iterator

import ml_collections

from jaxcolor import config as configs
from jaxcolor import models
from jaxcolor.color import spaces

_LONGEST = 60  # characters of a value; the colours of a palette have thousands
_ENTRY = re.compile(r'^  (\w+): ')


def table(config: ml_collections.ConfigDict) -> str:
    """Return a line for each field: `field = value  # meaning`, and the default where the value is another."""
    meanings = _comments() | dict(_attributes(config))
    defaults = configs.defaults(config)
    lines = []
    for field, value in configs.leaves(config.to_dict()):
        default = defaults.get(field, value)
        notes = ['' if _same(default, value) else f'default {_short(default)}', meanings.get(field, '').rstrip('.')]
        note = '; '.join(filter(None, notes))
        lines.append(f'{field} = {_short(value)}' + (f'  # {note}' if note else ''))
    return '\n'.join(lines)


def _same(one: object, other: object) -> bool:
    return one == (list(other) if isinstance(other, tuple) else other)


def _short(value: object) -> str:
    return textwrap.shorten(repr(value), _LONGEST, placeholder=' …')


def _comments() -> dict[str, str]:
    """Return the comments on the fields of `config.default`: behind a field, or in lines of their own before it."""
    source = textwrap.dedent(inspect.getsource(configs.default))
    comments: dict[int, str] = {}
    before: list[str] = []
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            text = token.string.lstrip('# ')
            if token.line.lstrip().startswith('#'):
                before.append(text)
            else:
                comments[token.start[0]] = text
        elif token.type == tokenize.STRING and before:
            comments[token.start[0]] = ' '.join(before)
            before = []
    dicts: dict[str, ast.Dict] = {}
    meanings: dict[str, str] = {}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict) and isinstance(node.targets[0], ast.Name):
            dicts[node.targets[0].id] = node.value
        if isinstance(node, ast.Return) and isinstance(node.value, ast.Call):
            meanings = dict(_walk(node.value.args[0], '', comments, dicts))
    return meanings


def _walk(
    node: ast.expr, prefix: str, comments: dict[int, str], dicts: dict[str, ast.Dict]
) -> Iterator[tuple[str, str]]:
    """Yield the fields that have comments, of a dictionary and of those in it, or of a copy of one in `dicts`."""
    for name in ast.walk(node) if isinstance(node, ast.Call) else [node]:
        if isinstance(name, ast.Name) and name.id in dicts:
            node = dicts[name.id]
    if isinstance(node, ast.Dict):
        for key, value in zip(node.keys, node.values, strict=True):
            assert isinstance(key, ast.Constant)
            field = f'{prefix}{key.value!s}'
            if key.lineno in comments:
                yield field, comments[key.lineno]
            yield from _walk(value, f'{field}.', comments, dicts)


def _attributes(config: ml_collections.ConfigDict) -> Iterator[tuple[str, str]]:
    """Yield what the docstrings of the chosen space and networks say of their fields."""
    for role in configs.PARTS:
        if chosen := config.get(role):
            found = spaces.SPACES[chosen.name] if role == 'space' else models.find(role, chosen.name)
            _, _, section = (inspect.getdoc(found) or '').partition('Attributes:\n')
            field = ''
            entries: dict[str, list[str]] = {}
            for line in section.splitlines():
                if entry := _ENTRY.match(line):
                    field = entry[1]
                    line = line[entry.end() :]
                if not line.strip():
                    break
                entries.setdefault(field, []).append(line.strip())
            yield from ((f'{role}.{name}', ' '.join(lines)) for name, lines in entries.items())
