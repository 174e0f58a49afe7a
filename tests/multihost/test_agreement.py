"""Two processes that do not agree, and what they do about it."""

import json
import sys

from helpers.cluster import Cluster
from PIL import Image

# One cluster for all, since starting one takes longest: what each process is told, as a line of JSON.
SCRIPT = """
import json, os, sys
import jax
from jaxcolor import config as configs
from jaxcolor.errors import UserError
from jaxcolor.distributed import cluster, parallel
from jaxcolor.training import train
from jaxcolor.checkpoints import workdir
cluster.join(100)
me, folder = jax.process_index(), sys.argv[1]

def small():
    config = configs.default()
    config.data.update(image_size=16, batch_size=4, train_split='train[:8]', test_split='test[:9]')
    configs.choose(config, 'generator', 'unet', depth=1, filters=4, dropout_layers=0)
    config.discriminator = None
    config.update(num_steps=4, log_every=2, eval_every=4)
    return config

def refusal(config, path):
    try:
        return train.train(config, path)
    except UserError as error:
        return str(error)

results = {}
config = small()
config.seed = me
results['config'] = refusal(config, f'{folder}/config')

workdir.time.sleep = lambda seconds: None  # for a file system that takes its time
results['folder'] = refusal(small(), f'{folder}/of{me}')

os.chdir(f'{folder}/disk{me}')
config = small()
config.data.update(source='folder:pictures', train_split='train', test_split='train')
results['pictures'] = refusal(config, f'{folder}/pictures')

config = small()
configs.choose(config, 'generator', 'unet', depth=3, filters=4, dropout_layers=0)
config.generator_optimizer = {'name': 'sgd', 'learning_rate': 0.02}
config.update(num_steps=1, eval_every=1)
train.train(config, f'{folder}/exploded')
config.num_steps, config.generator_optimizer.learning_rate = 4, 1e30
results['exploded'] = refusal(config, f'{folder}/exploded')

config = small()
configs.choose(config, 'space', 'palette', size=4)
config.generator.output_activation = 'identity'
config.loss.reconstruction = 'cross_entropy'
config.early_stopping.metric = 'accuracy'
results['palette'] = refusal(config, f'{folder}/palette')
results['centers'] = config.to_dict()['space']['centers']
results['evaluated'] = train.evaluate_run(config, f'{folder}/palette')

create = train.create
def broken(*arguments):
    state = create(*arguments)
    if me == 1:
        params = jax.tree.map(lambda a: a.at[..., 0].add(2**-20), state.generator.params)
        state = state.replace(generator=state.generator.replace(params=parallel.replicate(params)))
    return state
train.create = broken
results['drift'] = refusal(small(), f'{folder}/drift')
print(json.dumps(results))
"""


def test_processes_that_do_not_agree_say_so(tmp_path):
    for process in range(2):
        folder = tmp_path / f'disk{process}' / 'pictures'
        folder.mkdir(parents=True)
        for number in range(4 + process):
            Image.new('RGB', (16, 16), (9, 9, number)).save(folder / f'{number}.png')
    command = [sys.executable, '-c', SCRIPT, str(tmp_path)]
    cluster = Cluster.start(command, 2, 1, tmp_path / 'logs', TFDS_DATA_DIR='/nowhere')
    assert cluster.wait(400) == [0, 0], cluster.output(0) + cluster.output(1)
    first, second = (json.loads(cluster.output(process).splitlines()[-1]) for process in (0, 1))

    same = 'the processes were not started with the same config'
    assert first['config'] == f'{same}\nrun the same line on every host'
    assert second['config'].startswith(f'{same}; process 1 with another than process 0: seed was 0, is 1\n')
    assert not (tmp_path / 'config').exists()

    assert first['folder'].startswith(f'the processes do not share the work directory {tmp_path}/of0\n')
    assert f'process 1 does not see {tmp_path}/of1/config.json, which process 0 has written' in second['folder']
    assert not (tmp_path / 'of1').exists()

    assert first['pictures'].startswith('the processes do not see the same training pictures\nuse the same files')
    assert second['pictures'].splitlines()[0].endswith(': process 1 sees 5, process 0 4')
    assert not (tmp_path / 'pictures').exists()

    assert first['exploded'] == second['exploded']
    assert 'not finite; last good checkpoint: step 1 in' in first['exploded']
    assert sorted(path.name for path in (tmp_path / 'exploded/checkpoints').iterdir()) == ['1', '2.worse']

    assert first['palette'] == second['palette']
    assert first['palette']['pictures'] == 9
    assert first['evaluated'] == second['evaluated'] == first['palette']
    assert first['centers'] == second['centers']
    assert len(first['centers']) == 4

    drifted = 'step 2: the parameters of process 1 are no longer those of the others; last good checkpoint: none'
    assert first['drift'] == second['drift']
    assert first['drift'].startswith(drifted)
    assert not list((tmp_path / 'drift/checkpoints').iterdir())
