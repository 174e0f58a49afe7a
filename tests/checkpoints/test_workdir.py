"""What a file system may refuse, and what the user then reads."""

import json

import pytest

from jaxcolor import config as configs
from jaxcolor.checkpoints.restore import restore
from jaxcolor.checkpoints.workdir import adopt, claim, overridden, stored
from jaxcolor.errors import UserError


def test_a_file_in_the_way(tmp_path):
    (tmp_path / 'run').touch()
    with pytest.raises(UserError, match='choose another --workdir'):
        claim(tmp_path / 'run', configs.default(), None)


def test_no_run_is_nothing_stored(tmp_path):
    assert stored(tmp_path) is None
    assert stored(tmp_path / 'nowhere') is None


def test_broken_config_json(tmp_path):
    (tmp_path / 'config.json').write_text('{"seed": ')
    with pytest.raises(UserError, match=r'config\.json is not JSON .*; move it away'):
        stored(tmp_path)


def test_claiming_again_with_other_settings_says_so(tmp_path, caplog):
    config = configs.default()
    claim(tmp_path, config, None)
    claim(tmp_path, config, stored(tmp_path))
    assert not caplog.records
    config.num_epochs = 7.0
    claim(tmp_path, config, stored(tmp_path))
    assert 'num_epochs was 45.0, is 7.0' in caplog.text
    assert stored(tmp_path).num_epochs == 45.0  # no step has been taken with the other
    adopt(tmp_path, config, stored(tmp_path), 30)
    assert stored(tmp_path).num_epochs == 7.0
    config.seed = 5
    adopt(tmp_path, config, stored(tmp_path), 60)
    assert [json.loads(line) for line in (tmp_path / 'history.jsonl').read_text().splitlines()] == [
        {'step': 30, 'field': 'num_epochs', 'old': 45.0, 'new': 7.0},
        {'step': 60, 'field': 'seed', 'old': 0, 'new': 5},
    ]


def test_fields_that_an_older_version_lacked_have_their_defaults(tmp_path):
    config = configs.default()
    content = config.to_dict()
    for section, field in (
        ('data', 'max_resize'),
        ('data', 'fit'),
        ('data', 'rotation'),
        ('data', 'cache'),
        ('data', 'feature'),
        ('generator', 'norm'),
        ('loss', 'adversarial'),
    ):
        del content[section][field]
    for field in ('remat', 'metrics', 'pretrained', 'ema_decay'):
        del content[field]
    (tmp_path / 'config.json').write_text(json.dumps(content))
    found = stored(tmp_path)
    assert configs.to_json(found) != json.dumps(content)
    assert dict(configs.leaves(found.to_dict())) == dict(
        configs.leaves(configs.from_json(configs.to_json(config)).to_dict())
    )


def test_a_model_to_start_from_has_another_name_than_in_0_1_0(tmp_path):
    config = configs.default()
    content = config.to_dict()
    del content['init_from']
    content['pretrained']['model'] = 'photos'
    (tmp_path / 'config.json').write_text(json.dumps(content))
    config.init_from = 'photos'
    assert configs.differences(stored(tmp_path), config) == {}
    assert 'model' not in stored(tmp_path).pretrained
    content['pretrained']['model'] = 5
    (tmp_path / 'config.json').write_text(json.dumps(content))
    with pytest.raises(UserError, match=r"is no config: init_from=5 is not like ''"):
        stored(tmp_path)


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ('[1, 2]', 'holds no config'),
        ('{"generator": ', 'is not JSON'),
        ('\x00\xff', 'is not JSON'),
        ({'generator': None}, 'generator=None has no fields'),
        ({'generator': {}}, r'generator\.name=None is no name'),
        ({'generator': {'name': 'wavenet'}}, 'wavenet'),
        ({'space': 'lab'}, "space='lab' has no fields"),
        ({'data': 7}, 'data=7 has no fields'),
        ({'data': {'image_size': '256'}}, r"data\.image_size='256' is not like 256"),
        ({'data': {'image_size': 25.5}}, r'data\.image_size=25\.5 is not like 256'),
        ({'ema_decay': None}, r'ema_decay=None is not like 0\.0'),
        ({'seed': True}, 'seed=True is not like 0'),
    ],
)
def test_a_config_json_that_is_none_is_one_line(tmp_path, change, message):
    content = json.dumps(configs.default().to_dict() | change) if isinstance(change, dict) else change
    (tmp_path / 'config.json').write_text(content)
    for read in (stored, restore):
        with pytest.raises(UserError, match=message) as raised:
            read(tmp_path)
        assert '\n' not in str(raised.value)


def test_a_run_is_scored_by_its_own_config(tmp_path, caplog):
    config = configs.default()
    config.data.source = 'folder:mine'
    claim(tmp_path, config, None)
    named = configs.default()  # whose source is another
    assert overridden(tmp_path, named, {}).data.source == 'folder:mine'
    assert not caplog.records
    found = overridden(tmp_path, named, {'data.test_split': 'train[80%:]', 'data.labels': ('cat',)})
    assert (found.data.source, found.data.test_split) == ('folder:mine', 'train[80%:]')
    assert "data.test_split was 'test', is 'train[80%:]'" in caplog.text
    assert stored(tmp_path).data.test_split == 'test'
    configs.choose(named, 'generator', 'dcgan')
    with pytest.raises(UserError, match=r"another model: generator\.name was 'unet', is 'dcgan'"):
        overridden(tmp_path, named, {})
