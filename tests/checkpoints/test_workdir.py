"""What a file system may refuse, and what the user then reads."""

import pytest
from etils import epath

from jaxcolor import config as configs
from jaxcolor.checkpoints.workdir import claim, stored
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
    assert stored(tmp_path).num_epochs == 7.0
    assert configs.from_json(epath.Path(tmp_path / 'config.json').read_text()).num_epochs == 7.0
