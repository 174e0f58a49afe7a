"""`python -m jaxcolor.main --config=FILE_OR_NAME[:variant] [--workdir=DIR] [--mode=train|eval] [--multihost]`."""

import logging
import re
import sys
from pathlib import Path

import jax
from absl import app, flags
from absl import logging as absl_logging
from ml_collections import config_flags

from jaxcolor import compilation_cache, experiments, xla_flags
from jaxcolor import config as configs
from jaxcolor.distributed import cluster, devices
from jaxcolor.errors import InterruptedRunError, UserError, missing_package

_CONFIG = config_flags.DEFINE_config_file('config', None, 'The experiment, a file of configs/: FILE[:variant].')
_WORKDIR = flags.DEFINE_string('workdir', None, 'Where the run lives; runs/<name of the config> if left out.')
_MODE = flags.DEFINE_enum('mode', 'train', ['train', 'eval'], 'Train, or score the newest checkpoint.')
_MULTIHOST = flags.DEFINE_bool('multihost', False, 'Join the other hosts of the cluster; each runs this line.')
_HEARTBEAT = flags.DEFINE_integer('heartbeat_seconds', 100, 'A host silent for so long ends the others.', lower_bound=1)
_LOG = logging.getLogger('jaxcolor')


def main(argv: list[str]) -> None:
    """Run what the flags say."""
    if len(argv) > 1:
        raise UserError(f'{argv[1]!r} is not a flag; every option starts with --')
    if not flags.FLAGS['verbosity'].present:
        absl_logging.set_verbosity(absl_logging.FATAL)  # Orbax logs what it raises too; --verbosity=0 lets it
    if _CONFIG.value is None:
        raise UserError('--config is missing; name an experiment, such as --config=configs/quickstart.py')
    _, path, *variant = config_flags.get_config_filename(flags.FLAGS['config']).split(':', 2)
    workdir = _WORKDIR.value or str(Path('runs', re.sub('[=,]', '_', '_'.join((Path(path).stem, *variant)))))
    xla_flags.check()
    xla_flags.set_for_training()
    if _MULTIHOST.value:
        cluster.join(_HEARTBEAT.value)
    devices.check()
    compilation_cache.use()
    if _MULTIHOST.value:
        cluster.introduce(_LOG, _CONFIG.value.data.batch_size)
    try:
        from jaxcolor.checkpoints.workdir import overridden
        from jaxcolor.evaluation.report import table
        from jaxcolor.training import train  # after `join`, which must come before any device is touched
    except ModuleNotFoundError as error:
        raise missing_package(error, 'training', 'train') from error

    if _MODE.value == 'train':
        scores = train.train(_CONFIG.value, workdir)
        pictures = f'{workdir}/samples/{scores["step"]}.png   {workdir}/curves.png'
    else:
        fields = config_flags.get_override_values(flags.FLAGS['config']) | dict.fromkeys(_cleared(sys.argv))
        config = overridden(workdir, _CONFIG.value, fields)
        scores = train.evaluate_run(config, workdir)
        pictures = str(train.evaluation_picture(config, workdir, int(scores['step'])))
    if jax.process_index() == 0:
        print(f'{table(scores)}\n\n{pictures}')


def _parse_flags(argv: list[str]) -> list[str]:
    # absl's flags of numbers take no None, which optional fields may be.
    cleared = _cleared(argv)
    try:
        rest = flags.FLAGS(by_experiments([word for word in argv if word not in cleared.values()]))
        for field in cleared if _CONFIG.value is not None else ():
            configs.clear(_CONFIG.value, field)
        return rest
    except (flags.Error, AttributeError, KeyError, TypeError, ValueError, SyntaxError) as error:
        raise UserError(f'{error}\nsee --help, and jaxcolor/config.py for the fields of --config') from error


def _cleared(argv: list[str]) -> dict[str, str]:
    """Return the fields that a command line sets to None, each with its word."""
    words = (word for word in argv if word.startswith('--config.') and word.endswith('=None'))
    return {word.removeprefix('--config.').removesuffix('=None'): word for word in words}


def by_experiments(argv: list[str]) -> list[str]:
    """Return the words of a command line with the config to be loaded by `experiments`, by whichever name it has."""
    words = list(argv)
    for place, word in enumerate(argv):
        flag, equals, name = word.partition('=')
        if flag == '--config' and equals:
            words[place] = f'--config={experiments.__file__}:{name}'
        elif flag == '--config' and place + 1 < len(argv):
            words[place + 1] = f'{experiments.__file__}:{argv[place + 1]}'
    return words


def run(argv: list[str] | None = None) -> None:
    """Run `main`; a mistake of the user's ends in one line and status 1, a signal in 128 + its number, a bug in 70."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter('%(levelname)s: %(message)s'))
    _LOG.addHandler(handler)
    _LOG.setLevel(logging.INFO)
    _LOG.propagate = False  # absl's handler would say it again
    try:
        sys.argv = sys.argv if argv is None else argv  # where ml_collections looks for the fields of a config
        app.run(main, flags_parser=_parse_flags)
    except InterruptedRunError as interruption:  # on every host, after the same step
        print(interruption, file=sys.stderr)
        sys.exit(128 + interruption.signum)
    except (KeyboardInterrupt, Exception) as error:
        cluster.leave(error)


if __name__ == '__main__':
    run()
