"""README and docs/: what they promise exists. Code runs, options parse, links lead somewhere."""

import argparse
import copy
import importlib
import re
import shlex
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from absl import flags
from ml_collections import config_flags
from PIL import Image

from jaxcolor import cli
from jaxcolor import main as training
from jaxcolor.compare import sweep
from jaxcolor.training.state import build_system

ROOT = Path(__file__).parents[2]
DOCS = [ROOT / 'README.md', ROOT / 'CONTRIBUTING.md', *sorted(ROOT.glob('docs/*.md'))]
LINKED = [*DOCS, *ROOT.glob('*.md'), *ROOT.glob('configs/*.md'), *ROOT.glob('launch/**/*.md')]
LINKED = sorted({*LINKED, ROOT / 'jaxcolor/weights/photos.md'})
FENCE = re.compile(r'^```(\w*)\n(.*?)^```$', re.MULTILINE | re.DOTALL)
LINK = re.compile(r'\]\(([^)\s]+)\)')
PYPROJECT = tomllib.loads((ROOT / 'pyproject.toml').read_text())
SCRIPTS = (
    'tests/faults.py',
    'tests/mutations.py',
    *(f'tests/benchmarks/{name}.py' for name in ('bench', 'colorize', 'film', 'gpu', 'quality', 'serve', 'tpu')),
)
SPECS = {'pipx': ['run', '--spec', '.'], 'uvx': ['--from', '.']}  # this repository

pytestmark = pytest.mark.filterwarnings('ignore:.*load_module:DeprecationWarning')  # which ml_collections calls


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def blocks(path: Path, language: str) -> list[str]:
    return [text for kind, text in FENCE.findall(path.read_text(encoding='utf-8')) if kind == language]


def prose(path: Path) -> str:
    return FENCE.sub('', path.read_text(encoding='utf-8'))


def inline_code(path: Path) -> list[str]:
    return [' '.join(code.split()) for code in re.findall(r'`([^`]+)`', prose(path))]


def commands() -> Iterator[Any]:
    """Each command of each block, as words; comments and settings of the environment left out."""
    for path in DOCS:
        for block in blocks(path, 'sh'):
            for line in block.replace('\\\n', ' ').splitlines():
                words = shlex.split(line, comments=True)
                while words and re.match(r'\w+=', words[0]):
                    del words[0]
                if words:
                    yield pytest.param(words, id=f'{name(path)}: {" ".join(words)}')


class ParsedError(BaseException):
    """The command line is right; nothing else of the command is to be done."""


def check_jaxcolor(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    parse = argparse.ArgumentParser.parse_args

    def parse_only(parser: argparse.ArgumentParser, *given: Any) -> None:
        parse(parser, *given)
        raise ParsedError

    monkeypatch.setattr(argparse.ArgumentParser, 'parse_args', parse_only)
    module, _, function = PYPROJECT['project']['scripts']['jaxcolor'].partition(':')
    with pytest.raises(ParsedError):
        getattr(importlib.import_module(module), function)(arguments)


def check_training(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    words = [word for word in arguments if not word.endswith('=None')]  # `configs.clear` is for the others
    monkeypatch.setattr(sys, 'argv', ['main', *training.by_experiments(words)])  # where config_flags looks for fields
    values = flags.FlagValues()
    config_flags.DEFINE_config_file('config', flag_values=values)
    for flag in flags.FLAGS.flags_by_module_dict()[training.__name__]:
        if flag.name != 'config':
            values[flag.name] = copy.deepcopy(flag)
    assert values(sys.argv) == ['main']
    assert values['config'].present


def check_sweep(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def check(options: argparse.Namespace) -> int:
        if not options.list:
            _, found = sweep.load(options.sweep)
            sweep.trials(found, options.flags, options.only.split(',') if options.only else ())
        raise ParsedError

    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(cli.sweep, 'run', check)
    with pytest.raises(ParsedError):
        cli.main(arguments)


def check_script(path: Path, arguments: list[str]) -> None:
    source = path.read_text(encoding='utf-8')
    for option in arguments:
        assert not option.startswith('--') or f"'{option.partition('=')[0]}'" in source, option


def check_extras(extras: str) -> None:
    assert set(extras.split(',')) <= PYPROJECT['project']['optional-dependencies'].keys()


def make_targets() -> set[str]:
    return set(re.findall(r'^([a-z]+):', (ROOT / 'Makefile').read_text(), re.MULTILINE))


@pytest.mark.parametrize('words', list(commands()))
def test_command_exists(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    program, *arguments = words
    program = Path(program).name
    if program == 'python' and arguments[:2] == ['-m', 'jaxcolor.main']:
        check_training(arguments[2:], monkeypatch)
    elif program == 'python' and arguments[0].endswith('.py'):
        check_script(ROOT / arguments[0], arguments[1:])
    elif program == 'python' and arguments[:2] == ['-m', 'pytest']:
        assert (ROOT / arguments[-1]).is_file()
    elif program == 'jaxcolor' and arguments[0] in ('train', 'eval'):
        config, *options = (word for word in arguments[1:] if word not in ('--list', '--show'))
        check_training([f'--config={config}', *options], monkeypatch)
    elif program == 'jaxcolor' and arguments[0] == 'sweep':
        check_sweep(arguments, monkeypatch)
    elif program == 'jaxcolor':
        check_jaxcolor(arguments, monkeypatch)
    elif program == 'make':
        assert {word for word in arguments if '=' not in word} <= make_targets()
    elif program in ('pipx', 'uvx'):
        place = arguments.index('jaxcolor')
        assert arguments[:place] == SPECS[program]
        check_jaxcolor(arguments[place + 1 :], monkeypatch)
    elif program == 'pip':
        for target in arguments[1:]:
            if found := re.search(r'\[(.*)\]', target):
                check_extras(found[1])
    else:
        assert program in ('curl', 'tensorboard'), 'nobody checks this command'


@pytest.mark.parametrize('path', DOCS, ids=name)
def test_inline_code_exists(path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    known = {f'--{flag.name}' for flag in flags.FLAGS.flags_by_module_dict()[training.__name__]}
    known |= {word for words in SPECS.values() for word in words if word.startswith('--')}
    known |= {option for script in SCRIPTS for option in re.findall(r"'(--[\w-]+)'", (ROOT / script).read_text())}
    for command in ('train', 'eval', 'compare', 'sweep', 'colorize', 'judge', 'serve', 'export'):
        with pytest.raises(SystemExit):
            check_jaxcolor([command, '--help'], monkeypatch)
        known |= set(re.findall(r'--[\w-]+', capsys.readouterr().out))
    for code in inline_code(path):
        words = [] if '…' in code else code.split()
        fields = [word for word in shlex.split(code) if word.startswith('--config.') and 'field=value' not in word]
        if fields:  # a config that has a palette, an encoder and an optimizer's every field
            check_training(['--config=configs/photos.py', *fields], monkeypatch)
        for word in words:
            option = re.match(r'--[\w-]+(?![\w.-])', word)
            assert not option or option[0] in known, code
            if found := re.search(r"(?:jaxcolor|\.)\[([a-z0-9,]+)\]'?$", word):
                check_extras(found[1])
        if words[:1] == ['make'] and len(words) > 1:
            assert words[1] in make_targets(), code
        if re.fullmatch(r'(tests|launch|configs|docs|\.ci)/[\w./-]+', code):
            assert (ROOT / code).exists(), code


@pytest.mark.parametrize('path', [path for path in DOCS if blocks(path, 'python')], ids=name)
def test_code_runs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The blocks of a page one after the other, as a reader would type them."""
    monkeypatch.chdir(tmp_path)
    Image.new('L', (64, 48), 99).save('grandmother.jpg')
    names: dict[str, Any] = {}
    for number, block in enumerate(blocks(path, 'python'), 1):
        exec(compile(block, f'block {number} of {name(path)}', 'exec'), names)
        config = names['get_config']() if 'def get_config' in block else names.get('config')
        if config is not None:
            build_system(config, None)
    if 'Colorizer' in names:
        with Image.open('grandmother-in-colour.png') as result:
            assert (result.size, result.mode) == ((64, 48), 'RGB')


@pytest.mark.parametrize('path', LINKED, ids=name)
def test_links_lead_somewhere(path: Path) -> None:
    for link in LINK.findall(prose(path)):
        if re.match(r'\w+:', link):
            continue
        address, _, anchor = link.partition('#')
        target = (path.parent / address).resolve() if address else path
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def anchors(path: Path) -> set[str]:
    """What GitHub and the site call the headings of a page."""
    titles = re.findall(r'^#+ (.*)$', prose(path), re.MULTILINE)
    return {re.sub(r'[^\w\- ]', '', title.lower()).replace(' ', '-') for title in titles}


def test_readme_is_short_and_leads_everywhere() -> None:
    readme = ROOT / 'README.md'
    assert len(readme.read_text(encoding='utf-8').split()) <= 900
    pages = {name(path) for path in ROOT.glob('docs/*.md')} - {'docs/index.md'}
    assert pages <= set(LINK.findall(prose(readme)))


def test_every_config_is_listed() -> None:
    links = LINK.findall(prose(ROOT / 'docs/configs.md'))
    assert {f'../{name(path)}' for path in ROOT.glob('configs/*.py')} <= set(links)
