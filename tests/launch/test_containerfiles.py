"""What the images are built from exists, and what they run is there; building them takes podman and a network."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted(ROOT.glob('launch/**/Containerfile'))

dockerfile_parse = pytest.importorskip('dockerfile_parse')


def instructions(path: Path) -> list[tuple[str, str]]:
    with path.open('rb') as file:
        return [
            (each['instruction'], each['value'])
            for each in dockerfile_parse.DockerfileParser(fileobj=file).structure
            if each['instruction'] != 'COMMENT'
        ]


def values(path: Path, name: str) -> list[str]:
    return [value for instruction, value in instructions(path) if instruction == name]


@pytest.mark.parametrize('path', FILES, ids=lambda path: path.parent.name)
def test_sources_exist_and_suffice(path):
    copied = set()
    for value in values(path, 'COPY'):
        *sources, _ = value.split()
        if not sources[0].startswith('--from='):
            assert all((ROOT / source).exists() for source in sources), value
            copied |= set(sources)
    project = tomllib.loads((ROOT / 'pyproject.toml').read_text())
    wheel = project['tool']['hatch']['build']['targets']['wheel']
    named = {project['project']['readme'], *project['project']['license-files']}
    assert {'pyproject.toml', *named, *wheel['packages'], *wheel['force-include']} <= copied


@pytest.mark.parametrize('path', FILES, ids=lambda path: path.parent.name)
def test_user_is_not_root(path):
    users = values(path, 'USER')
    assert users and int(users[-1]) > 0


def test_server_is_the_command_and_is_asked_how_it_is():
    path = ROOT / 'launch/serve/Containerfile'
    (entry,) = values(path, 'ENTRYPOINT')
    command = json.loads(entry)
    assert command[:2] == ['jaxcolor', 'serve']
    (port,) = values(path, 'EXPOSE')
    assert command[-2:] == ['--port', port]
    (health,) = values(path, 'HEALTHCHECK')
    probe = json.loads(health[health.index('[') :])
    assert f'127.0.0.1:{port}/healthz' in probe[-1]
    # Nothing answers: the probe has to fail.
    script = probe[-1].replace(port, '9')
    assert subprocess.run([sys.executable, *probe[1:-1], script], capture_output=True, check=False).returncode
