"""Imports go one way through the rooms of the package, and no room holds too much of it."""

import graphlib
from collections import Counter
from pathlib import Path

import grimp

import jaxcolor

# Each room imports only from rooms in lines above its own, and from itself.
LINES = [
    'errors signals weights',
    'hub own_parts storage xla_flags',
    'compilation_cache',
    'color',
    'imaging models',
    'config data',
    'evaluation distributed experiments',
    'checkpoints',
    'training inference',
    'batch_inference compare export',
    'films',
    'server',
    'perceptual_study',
    'main quickstart',
    'cli',
]
RANK = {room: rank for rank, rooms in enumerate(LINES) for room in rooms.split()}


def room_of(module: str) -> str:
    return module.split('.')[1]


def test_imports_go_one_way():
    graph = grimp.build_graph('jaxcolor', cache_dir=None)
    modules = sorted(graph.modules - {'jaxcolor'})
    assert {room_of(module) for module in modules} == set(RANK)
    wrong = [
        (module, imported)
        for module in modules
        for imported in sorted(graph.find_modules_directly_imported_by(module) - {'jaxcolor'})
        if room_of(module) != room_of(imported) and RANK[room_of(module)] <= RANK[room_of(imported)]
    ]
    assert not wrong


def test_no_modules_import_each_other_in_a_circle():
    graph = grimp.build_graph('jaxcolor', cache_dir=None)
    graphlib.TopologicalSorter(
        {module: graph.find_modules_directly_imported_by(module) for module in graph.modules - {'jaxcolor'}}
    ).prepare()  # raises a CycleError


def test_the_largest_room_holds_less_than_a_fifth():
    root = Path(jaxcolor.__file__).parent
    lines: Counter[str] = Counter()
    for path in root.rglob('*.py'):
        lines[path.relative_to(root).parts[0]] += len(path.read_text().splitlines())
    room, most = lines.most_common(1)[0]
    assert most < 0.2 * lines.total(), room
