"""The field's own words: names that a reader of pix2pix and one Flax example does not know stay out."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDERS = ('jaxcolor', 'configs', 'tests')

# What is not a name here, and what is.
WORDS = {
    'play': 'update, train_step, train',
    'totals': 'averages, train metrics',
    'meter': 'throughput',
    'lesson': 'gradients',
    'teach': 'd_step, g_step',
    'resident': 'device_cache',
    'drift': 'replica_check',
    'whole_state': 'msgpack_handler',
    'gather': 'discover, collect',
    'filing': 'jobs',
    'scoring': 'gray_test',
    'opening': 'formats',
    'studio': 'worker',
    'wishes': 'schemas',
    'service': 'handlers',
    'telemetry': 'metrics',
    'portable': 'jaxpr_rewrite',
    'words_of_first': 'broadcast_str',
    'said': 'output, prediction, message',
    'told': 'expected',
}
# `steps`, `part`, `inputs`, `pictures`, `whole`, `given`, `running`, `profiles` and `describe` are plain English for
# other things too, and so stay.
PHRASES = re.compile(r'\bthe floor\b|\bon the way back\b|\b[Ss]eed 00\d|\bthe seed\'s\b')


def defined(path: Path) -> Iterator[str]:
    """Yield the names that a file gives: its own, of functions, classes, arguments and variables."""
    yield path.stem
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield node.name
            case ast.arg():
                yield node.arg
            case ast.Name(ctx=ast.Store()):
                yield node.id
            case ast.Attribute(ctx=ast.Store()):
                yield node.attr


def test_names():
    private = {
        f'{path.relative_to(ROOT)}: {name}; use {WORDS[name.lower().strip("_")]}'
        for folder in FOLDERS
        for path in (ROOT / folder).rglob('*.py')
        for name in defined(path)
        if name.lower().strip('_') in WORDS
    }
    assert not private


def test_phrases():
    texts = [path for folder in (*FOLDERS, 'docs', 'launch') for path in (ROOT / folder).rglob('*')]
    found = {
        (str(path.relative_to(ROOT)), match[0])
        for path in [*texts, *ROOT.glob('*.md')]
        if path.suffix in ('.py', '.md', '.yaml', '.sh', '.html', '.js') and path != Path(__file__)
        for match in PHRASES.finditer(path.read_text())
    }
    assert not found
