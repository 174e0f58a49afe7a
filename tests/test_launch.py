"""launch/: what the scripts would run, and what they do with programs in place of gcloud, srun and kubectl.

Those programs write down their arguments and do the little that the scripts rely on: a slice that becomes ACTIVE, a
worker that is a folder of this machine, tasks with the exit codes that a test asks for.
"""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
LAUNCH = ROOT / 'launch'
SCRIPTS = sorted([*LAUNCH.glob('*.sh'), *LAUNCH.glob('*.sbatch')])
CONFIG = 'configs/photos_pix2pix.py'
# Whatever comes in a path: it must arrive as it is, through one shell or two.
AWKWARD = """it's "here" & there\\n; $(exit 3) $HOME *"""
FLAGS = ('--config.num_steps=5', f'--config.data.source=folder:/{AWKWARD}')

SHELLCHECK = shutil.which('shellcheck', path=os.pathsep.join([str(Path(sys.executable).parent), os.environ['PATH']]))
NEEDED = 'bash cat cp dirname env flock git gzip hostname kill mkdir nohup rm seq setsid sh sleep tail tar touch true'
pytestmark = pytest.mark.skipif(
    not all(map(shutil.which, NEEDED.split())), reason='there are not all of the tools that a Linux host has'
)


@pytest.mark.skipif(not SHELLCHECK, reason='there is no shellcheck')
@pytest.mark.parametrize('script', SCRIPTS, ids=lambda path: path.name)
def test_shellcheck(script):
    assert SHELLCHECK
    done = subprocess.run([SHELLCHECK, script], capture_output=True, text=True, check=False)
    assert not done.returncode, done.stdout


class Host:
    """A machine's PATH and home: common tools, and the programs that a test puts there; none of this machine's own."""

    def __init__(self, folder: Path):
        self.bin, self.home, self.calls_of = folder / 'bin', folder / 'home', folder / 'calls'
        for path in (self.bin, self.home, self.calls_of):
            path.mkdir()
        for tool in NEEDED.split():
            (self.bin / tool).symlink_to(str(shutil.which(tool)))
        self.env = {'PATH': str(self.bin), 'HOME': str(self.home), 'TMPDIR': str(folder), 'PAUSE': '0', 'TPU_POLL': '0'}

    def install(self, name: str, body: str = '') -> Path:
        """Puts a bash program on PATH, which notes its arguments before it does anything else."""
        path = self.bin / name
        path.unlink(missing_ok=True)  # it may be a link to the real one
        # Arguments end in NUL, calls in another one.
        path.write_text(
            f'#!{self.bin}/bash\n{{ printf "%s\\0" "$@"; printf "\\0"; }} >>{self.calls_of / name}\n{body}\n'
        )
        path.chmod(0o755)
        return path

    def install_with_codes(self, name: str, *codes: int) -> Path:
        """Puts a program there that exits with one of the codes after the other."""
        (self.calls_of / f'{name}.codes').write_text(''.join(f'{code}\n' for code in codes))
        read = f'{{ read -r code; rest=$(cat); }} <{self.calls_of}/{name}.codes'
        return self.install(name, f'{read}\nprintf "%s\\n" "$rest" >{self.calls_of}/{name}.codes\nexit "$code"')

    def calls(self, name: str) -> list[list[str]]:
        """Returns the arguments of each call of a program."""
        path = self.calls_of / name
        calls = path.read_text().split('\0\0')[:-1] if path.exists() else []
        return [call.split('\0') for call in calls]

    def run(self, *command: object, cwd: Path = ROOT, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(part) for part in command],
            env=self.env | env,
            cwd=cwd,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def wait_for(condition: Any) -> None:
    """Waits until it is so, a little while at most."""
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end, 'it has not come about'
        time.sleep(0.02)


WAITS = 'sleep 60 & trap "kill $!; exit 143" TERM; wait'  # for SIGTERM, as training does


# restart.sh


@pytest.mark.parametrize(
    ('codes', 'runs', 'end'),
    [((0,), 1, 0), ((1,), 1, 1), ((143, 0), 2, 0), ((134, 137, 143, 2, 1), 5, 1), ((137,) * 9, 4, 137)],
)
def test_restarts_after_any_code_but_0_and_1(host, codes, runs, end):
    host.install_with_codes('train', *codes)
    done = host.run(LAUNCH / 'restart.sh', 'train', 'a b', AWKWARD, RESTARTS='3' if runs == 4 else '20')
    assert done.returncode == end
    assert host.calls('train') == [['a b', AWKWARD]] * runs
    assert done.stderr.count('restart.sh: exit code') == runs - (runs != 4)  # and a line about giving up


@pytest.mark.parametrize('moment', ['while it runs', 'in the pause'])
def test_restart_ends_on_sigterm(host, moment):
    host.install('train', WAITS if moment == 'while it runs' else 'exit 134')
    with subprocess.Popen(
        [LAUNCH / 'restart.sh', 'train'],
        env=host.env | {'PAUSE': '30'},
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        assert process.stderr
        wait_for(lambda: host.calls('train'))
        if moment == 'in the pause':
            process.stderr.readline()
        time.sleep(0.1)  # for the trap
        os.killpg(process.pid, signal.SIGTERM)
        assert process.wait(10) == (143 if moment == 'while it runs' else 134)
    assert len(host.calls('train')) == 1


@pytest.mark.parametrize(
    ('env', 'arguments', 'message'),
    [({}, [], 'usage:'), ({'RESTARTS': 'x'}, ['true'], 'RESTARTS=x'), ({'PAUSE': '-1'}, ['true'], 'PAUSE=-1')],
)
def test_mistakes_with_restart(host, env, arguments, message):
    done = host.run(LAUNCH / 'restart.sh', *arguments, **env)
    assert done.returncode == 1
    assert message in done.stderr


# slurm.sbatch

SBATCH = LAUNCH / 'slurm.sbatch'
WORKDIR = f'/shared/{AWKWARD}'
TRAINING = ['-m', 'jaxcolor.main', f'--config={CONFIG}', f'--workdir={WORKDIR}', '--multihost', *FLAGS]
DROP_OPTIONS = 'while [[ $1 == --* ]]; do shift; done\n'


@pytest.fixture
def slurm(host: Host) -> Host:
    host.install('srun', f'{DROP_OPTIONS}"$@"')
    host.install('scontrol')
    host.env |= {'SLURM_JOB_ID': '42', 'SLURM_GPUS_ON_NODE': '4'}
    return host


def test_slurm_directives():
    """Which sbatch reads up to the first command."""
    head = SBATCH.read_text().split('\nset ')[0]
    for option in ('ntasks-per-node=1', 'requeue', 'open-mode=append', 'signal=TERM@120'):
        assert re.search(rf'^#SBATCH --{option}$', head, re.MULTILINE), option


@pytest.mark.parametrize('code', [0, 1, 143, 134, 137, 2])
def test_slurm_requeues_after_any_code_but_0_and_1(slurm, code):
    slurm.install('python', f'echo "$JAX_LOCAL_DEVICE_IDS $JAX_PLATFORMS"\nexit {code}')
    done = slurm.run('bash', SBATCH, CONFIG, WORKDIR, *FLAGS, SLURM_CPUS_PER_TASK='12')
    assert done.returncode == code
    assert done.stdout == '0,1,2,3 cuda,cpu\n'
    assert slurm.calls('python') == [TRAINING]
    assert slurm.calls('srun')[0][:2] == ['--kill-on-bad-exit=1', '--cpus-per-task=12']
    assert slurm.calls('scontrol') == ([] if code in (0, 1) else [['requeue', '42']])


def test_slurm_gives_up(slurm):
    slurm.install('python', 'exit 134')
    arguments = ('bash', SBATCH, CONFIG, WORKDIR)
    assert slurm.run(*arguments, SLURM_RESTART_COUNT='20').returncode == 134
    assert slurm.run(*arguments, SLURM_RESTART_COUNT='3', RESTARTS='3').returncode == 134
    assert slurm.calls('scontrol') == []
    assert slurm.run(*arguments, SLURM_RESTART_COUNT='19').returncode == 134
    assert slurm.calls('scontrol') == [['requeue', '42']]


def test_slurm_heeds_one_mistake_among_tasks_that_were_taken_along(slurm):
    """srun returns the highest of all codes."""
    slurm.install('srun', f'{DROP_OPTIONS}highest=0\nfor id in 0 1; do ID=$id "$@"; c=$?\n'
                  '(( c > highest )) && highest=$c; done; exit $highest')  # fmt: skip
    slurm.install('python', '[[ $ID == 0 ]] && exit 1; exit 143')
    assert slurm.run('bash', SBATCH, CONFIG, WORKDIR).returncode == 1
    assert slurm.calls('scontrol') == []


def test_slurm_requeues_after_a_failure_of_slurm_itself(slurm):
    slurm.install('srun', 'exit 1')
    assert slurm.run('bash', SBATCH, CONFIG, WORKDIR).returncode == 1
    assert slurm.calls('scontrol') == [['requeue', '42']]


def test_slurm_task_passes_sigterm_on(slurm):
    """To the training, once, for which the task waits, as long as it takes; Slurm signals the task's first process."""
    slurm.install('srun', f'{DROP_OPTIONS}echo $$ >{slurm.home}/task\nexec "$@"')
    saves = f'sleep 60 & trap "kill $!; echo >>{slurm.home}/signals; sleep 0.3; exit 143" TERM'
    slurm.install('python', f'{saves}; touch {slurm.home}/ready; wait')
    with subprocess.Popen(['bash', SBATCH, CONFIG, WORKDIR], env=slurm.env, cwd=ROOT) as process:
        wait_for((slurm.home / 'ready').exists)
        os.kill(int((slurm.home / 'task').read_text()), signal.SIGTERM)
        assert process.wait(10) == 143
    assert (slurm.home / 'signals').read_text() == '\n'
    assert slurm.calls('scontrol') == [['requeue', '42']]


def test_slurm_dry_run(host):
    """Outside Slurm; its line, in a shell, is what would have run."""
    done = host.run('bash', SBATCH, '--dry-run', CONFIG, WORKDIR, *FLAGS)
    assert done.returncode == 0, done.stderr
    assert 'export JAX_LOCAL_DEVICE_IDS=0,1,2,3,4,5,6,7 ' in done.stdout
    assert '\nscontrol requeue ' in done.stdout
    (line,) = (line for line in done.stdout.splitlines() if line.startswith('srun '))
    host.install('srun', f'{DROP_OPTIONS}"$@"')
    host.install('python')
    assert host.run('bash', '-c', line).returncode == 0
    assert host.calls('python') == [TRAINING]


@pytest.mark.parametrize(
    ('arguments', 'env', 'message'),
    [
        ([], {}, 'usage: sbatch'),
        ([CONFIG], {}, 'usage: sbatch'),
        (['configs/none.py', '/w'], {}, 'configs/none.py: there is no such file'),
        ([CONFIG, 'runs/mine'], {}, 'runs/mine: use the full path'),
        ([CONFIG, '/w'], {'RESTARTS': 'many'}, 'RESTARTS=many'),
        ([CONFIG, '/w'], {'SLURM_GPUS_ON_NODE': ''}, 'add --gpus-per-node=N'),
        ([CONFIG, '/w'], {'SLURM_JOB_ID': ''}, 'submit it with sbatch'),
    ],
)
def test_mistakes_with_slurm(slurm, arguments, env, message):
    done = slurm.run('bash', SBATCH, *arguments, **env)
    assert done.returncode == 1
    assert done.stderr.startswith('error: ')
    assert message in done.stderr
    assert slurm.calls('srun') == []


# tpu_pod.sh

BUCKET = f'gs://bucket/{AWKWARD}'


class Pod(Host):
    """A machine with the source, as a repository, and a gcloud whose slice has one worker: `worker`, a folder."""

    def __init__(self, folder: Path):
        super().__init__(folder)
        self.worker, self.source = folder / 'worker', folder / 'source'
        self.worker.mkdir()
        shutil.copytree(LAUNCH, self.source / 'launch')
        (self.source / 'configs').mkdir()
        shutil.copy(ROOT / CONFIG, self.source / CONFIG)
        author = ('-c', 'user.name=a', '-c', 'user.email=a@b.c')
        for command in (['init', '--quiet'], ['add', '.'], [*author, 'commit', '--quiet', '--message=all']):
            assert self.run('git', *command, cwd=self.source).returncode == 0
        self.install('python3')
        # uv makes the worker's Python, which is `train`.
        self.install(
            'uv',
            '[[ $1 != venv ]] || { mkdir --parents "${@: -1}/bin"; cp $(command -v train) "${@: -1}/bin/python"; }',
        )
        states = self.calls_of / 'states'
        self.install(
            'gcloud',
            f"""
case "$3 $4" in
  'queued-resources describe') read -r state <{states} || exit 1
    echo "$state"; rest=$(tail --lines=+2 {states}); [[ -z $rest ]] || printf '%s\\n' "$rest" >{states} ;;
  'tpu-vm scp') cp "$5" {self.worker}/"${{6#*:}}" ;;
  'tpu-vm ssh') cd {self.worker} && HOME={self.worker} bash -c "${{8#--command=}}" ;;
esac""",
        )
        self.states(['WAITING_FOR_RESOURCES', 'PROVISIONING', 'ACTIVE'])

    def states(self, names: list[str]) -> None:
        """Says in what state the slice will be, each time that it is asked; the last one stays."""
        (self.calls_of / 'states').write_text(''.join(f'{name}\n' for name in names))

    def pod(self, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        return self.run(self.source / 'launch/tpu_pod.sh', *arguments, cwd=self.source, **env)

    def verbs(self) -> list[str]:
        """Returns what was asked of gcloud."""
        return [
            ' '.join(call[2:4]).replace('queued-resources ', '').replace('tpu-vm ', '') for call in self.calls('gcloud')
        ]

    def wait_for_runs(self, number: int) -> None:
        """Waits until training has begun so many times, and has ended."""
        wait_for(lambda: len(self.calls('train')) >= number)
        assert self.run('flock', '--timeout', '20', self.worker / 'jaxcolor.lock', 'true').returncode == 0


@pytest.fixture
def pod(tmp_path: Path) -> Pod:
    return Pod(tmp_path)


def test_pod_trains_until_it_is_done(pod):
    pod.install_with_codes('train', 143, 134, 0)
    done = pod.pod('up', '--zone=z', '--spot', '--env=PAUSE=0', CONFIG, BUCKET, *FLAGS)
    assert done.returncode == 0, done.stderr
    pod.wait_for_runs(3)
    assert pod.verbs() == ['create', *['describe'] * 3, 'scp', 'ssh', 'ssh']
    assert pod.calls('gcloud')[0][3:] == [
        'create', 'jaxcolor', '--zone=z', '--node-id=jaxcolor', '--accelerator-type=v5litepod-16',
        '--runtime-version=v2-alpha-tpuv5-lite', '--spot',
    ]  # fmt: skip
    assert all('--worker=all' in call for call in pod.calls('gcloud')[-3:])
    assert pod.calls('python3') == [['-m', 'pip', 'install', '--quiet', '--user', 'uv']]
    assert [call[:2] for call in pod.calls('uv')] == [['venv', '--quiet'], ['pip', 'install']]
    assert pod.calls('uv')[1][-1] == '.[train,tpu,buckets]'
    training = ['-m', 'jaxcolor.main', f'--config={CONFIG}', f'--workdir={BUCKET}', '--multihost', *FLAGS]
    assert pod.calls('train') == [training] * 3
    log = (pod.worker / 'jaxcolor.log').read_text()
    assert 'exit code 143; restart 1 of 20' in log
    assert 'exit code 134; restart 2 of 20' in log


def test_pod_stops_and_does_not_start_twice(pod):
    pod.install('train', WAITS)
    assert pod.pod('up', '--zone=z', CONFIG, BUCKET).returncode == 0
    wait_for(lambda: pod.calls('train'))
    for again in (['run', '--zone=z', CONFIG, BUCKET], ['copy', '--zone=z']):
        done = pod.pod(*again)
        assert done.returncode == 1
        assert 'training is under way' in done.stderr
    assert pod.pod('stop', '--zone=z').returncode == 0
    assert len(pod.calls('train')) == 1
    assert pod.pod('stop', '--zone=z').returncode == 0  # it has ended


@pytest.mark.parametrize(
    ('states', 'verbs'),
    [
        (['ACTIVE'], ['describe', 'ssh']),
        (
            ['SUSPENDED', 'PROVISIONING', 'ACTIVE'],
            ['describe', 'delete', 'create', *['describe'] * 2, 'scp', 'ssh', 'ssh'],
        ),
        (['FAILED', 'ACTIVE'], ['describe', 'delete', 'create', 'describe', 'scp', 'ssh', 'ssh']),
    ],
)
def test_pod_resumes(pod, states, verbs):
    pod.install('train')
    assert pod.pod('up', '--zone=z', CONFIG, BUCKET).returncode == 0
    pod.wait_for_runs(1)
    (pod.calls_of / 'gcloud').unlink()
    pod.states(states)
    done = pod.pod('resume', '--zone=z', CONFIG, BUCKET)
    assert done.returncode == 0, done.stderr
    pod.wait_for_runs(2)
    assert pod.verbs() == verbs


def test_pod_ends_where_no_slice_comes(pod):
    pod.states(['WAITING_FOR_RESOURCES', 'FAILED'])
    done = pod.pod('up', '--zone=z', CONFIG, BUCKET)
    assert done.returncode == 1
    assert 'jaxcolor is FAILED; see: gcloud' in done.stderr
    assert pod.verbs() == ['create', 'describe', 'describe']


def test_pod_ends_where_gcloud_fails(pod):
    pod.install('gcloud', 'exit 7')
    assert pod.pod('up', '--zone=z', CONFIG, BUCKET).returncode == 7
    assert pod.verbs() == ['create']


def test_pod_tail_and_delete(pod):
    (pod.worker / 'jaxcolor.log').write_text('a line of the log\n')
    pod.install('tail', f'{shutil.which("cat")} "${{@: -1}}"')  # does not follow it
    done = pod.pod('tail', '--zone=z', '--name=n')
    assert done.stdout == 'a line of the log\n'
    assert pod.pod('delete', '--zone=z', '--name=n').returncode == 0
    assert pod.calls('gcloud')[-1][2:] == ['queued-resources', 'delete', 'n', '--zone=z', '--force', '--quiet']


def test_pod_dry_run(pod):
    """A command a line, as a shell reads it; the last one, run on a worker, starts the training."""
    pod.install('train')
    done = pod.pod('up', '--dry-run', '--zone=z', '--type=v6e-64', CONFIG, BUCKET, *FLAGS)
    assert pod.calls('gcloud') == []
    commands = [shlex.split(line, comments=True) for line in done.stdout.splitlines()]
    assert [' '.join(command[3:5]) if command[0] == 'gcloud' else command[0] for command in commands] == [
        'queued-resources create', 'queued-resources describe', 'git', 'tpu-vm scp', 'tpu-vm ssh', 'tpu-vm ssh',
    ]  # fmt: skip
    assert '--accelerator-type=v6e-64' in commands[0]
    assert '--runtime-version=v2-alpha-tpuv6e' in commands[0]
    for line in done.stdout.splitlines():
        assert pod.run('bash', '-c', line).returncode == 0
    pod.wait_for_runs(1)
    assert pod.calls('train') == [
        ['-m', 'jaxcolor.main', f'--config={CONFIG}', f'--workdir={BUCKET}', '--multihost', *FLAGS]
    ]


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['fly'], 'fly is no command'),
        (['create'], 'no zone; add --zone=ZONE'),
        (['create', '--zone=z', '--colour=red'], '--colour=red is no option'),
        (['create', '--zone=z', '--name=Über'], '--name=Über must be'),
        (['create', '--zone=z', '--type=v99-8'], 'add --runtime=VERSION'),
        (['create', '--zone=z', CONFIG], 'create takes no configs'),
        (['run', '--zone=z', CONFIG], 'run needs CONFIG and WORKDIR'),
        (['up', '--zone=z', 'configs/none.py', 'gs://b/r'], 'configs/none.py: there is no such file'),
        (['up', '--zone=z', CONFIG, 'runs/mine'], "runs/mine is on each worker's own disk"),
    ],
)
def test_mistakes_with_a_pod(pod, arguments, message):
    done = pod.pod(*arguments)
    assert done.returncode == 1
    assert done.stderr.startswith('error: ')
    assert message in done.stderr
    assert pod.calls('gcloud') == []


@pytest.mark.parametrize(
    ('script', 'arguments', 'missing'),
    [
        ('tpu_pod.sh', ['create', '--zone=z'], 'gcloud'),
        ('gke.sh', ['gpu', '--image=i', CONFIG, 'gs://b/r'], 'kubectl'),
    ],
)
def test_missing_programs(host, script, arguments, missing):
    done = host.run(LAUNCH / script, *arguments)
    assert done.returncode == 1
    assert f'there is no {missing} on PATH; install' in done.stderr


@pytest.mark.parametrize('script', ['tpu_pod.sh', 'gke.sh'])
def test_help(host, script):
    done = host.run(LAUNCH / script, '--help')
    assert done.returncode == 0
    assert done.stdout.startswith(f'usage: launch/{script} ')
    done = host.run(LAUNCH / script)
    assert done.returncode == 1
    assert done.stderr.startswith(f'usage: launch/{script} ')


# gke.sh and gke_jobset.yaml


def manifest(host: Host, *arguments: str) -> dict[str, Any]:
    """Returns what would be applied."""
    yaml = pytest.importorskip('yaml')
    done = host.run(LAUNCH / 'gke.sh', *arguments, '--dry-run', CONFIG, BUCKET, *FLAGS)
    assert done.returncode == 0, done.stderr
    return yaml.safe_load(done.stdout)


def pod_of(jobset: dict[str, Any]) -> dict[str, Any]:
    (job,) = jobset['spec']['replicatedJobs']
    return job['template']['spec']['template']['spec']


@pytest.mark.parametrize('variant', ['gpu', 'tpu'])
def test_jobset_is_valid(host, variant):
    """The JobSet by its own schema, the Job within by Kubernetes', both without anything that they don't know."""
    jsonschema, kubernetes = pytest.importorskip('jsonschema'), pytest.importorskip('kubernetes_validate')
    jobset = manifest(host, variant, '--image=registry.example:5000/jaxcolor:1')
    jsonschema.validate(jobset, json.loads((Path(__file__).parent / 'launch/jobset.json').read_text()))
    (job,) = jobset['spec']['replicatedJobs']
    name = {'name': f'{jobset["metadata"]["name"]}-{job["name"]}-0'}
    kubernetes.validate(
        {'apiVersion': 'batch/v1', 'kind': 'Job', 'metadata': name, **job['template']}, '1.33', strict=True
    )


@pytest.mark.parametrize('variant', ['gpu', 'tpu'])
def test_jobset_says_what_to_train_and_when_to_end(host, variant):
    jobset = manifest(host, variant, '--image=i', '--claim=photos')
    pod = pod_of(jobset)
    (container,) = pod['containers']
    # Kubernetes makes $ of $$, and what $(NAME) means of that; see its documentation of `args`.
    arguments = [argument.replace('$$', '$') for argument in container['args']]
    assert arguments == [f'--config={CONFIG}', f'--workdir={BUCKET}', '--multihost', *FLAGS]
    assert all('$' not in argument.replace('$$', '') for argument in container['args'])
    assert pod['restartPolicy'] == 'Never'
    assert pod['terminationGracePeriodSeconds'] >= 60
    assert pod['volumes'][0]['persistentVolumeClaim'] == {'claimName': 'photos'}
    spec = jobset['spec']['replicatedJobs'][0]['template']['spec']
    assert spec['completionMode'] == 'Indexed'
    assert spec['backoffLimit'] == 0
    (rule,) = spec['podFailurePolicy']['rules']
    assert rule == {
        'action': 'FailJob',
        'onExitCodes': {'containerName': container['name'], 'operator': 'In', 'values': [1]},
    }
    policy = jobset['spec']['failurePolicy']
    assert policy['maxRestarts'] > 0
    assert [(r['action'], r['onJobFailureReasons']) for r in policy['rules']] == [('FailJobSet', ['PodFailurePolicy'])]


def test_jobset_on_gpus_says_who_is_who(host):
    jobset = manifest(
        host, 'gpu', '--image=i', '--name=mine', '--nodes=4', '--gpus-per-node=2', '--accelerator=nvidia-l4'
    )
    pod = pod_of(jobset)
    (container,) = pod['containers']
    env = {variable['name']: variable.get('value') for variable in container['env']}
    # <jobset>-<job>-<job's number>-<pod's number>.<subdomain>, as JobSet names its pods
    assert env['JAX_COORDINATOR_ADDRESS'] == 'mine-train-0-0.mine:8476'
    assert jobset['metadata']['name'] == jobset['spec']['network']['subdomain'] == 'mine'
    assert jobset['spec']['network']['enableDNSHostnames']
    assert env['JAX_NUM_PROCESSES'] == '4'
    (number,) = (v['valueFrom'] for v in container['env'] if v['name'] == 'JAX_PROCESS_ID')
    assert number['fieldRef']['fieldPath'] == "metadata.annotations['batch.kubernetes.io/job-completion-index']"
    spec = jobset['spec']['replicatedJobs'][0]['template']['spec']
    assert spec['completions'] == spec['parallelism'] == 4
    assert container['resources']['limits'] == {'nvidia.com/gpu': 2}
    assert pod['nodeSelector'] == {'cloud.google.com/gke-accelerator': 'nvidia-l4'}


@pytest.mark.parametrize(('topology', 'chips', 'nodes'), [('4x4', 4, 4), ('2x4', 8, 1), ('2x2x4', 4, 4)])
def test_jobset_on_tpus_has_as_many_pods_as_the_slice_has_hosts(host, topology, chips, nodes):
    jobset = manifest(host, 'tpu', '--image=i', f'--topology={topology}', f'--chips-per-node={chips}')
    spec = jobset['spec']['replicatedJobs'][0]['template']['spec']
    assert spec['completions'] == spec['parallelism'] == nodes
    pod = pod_of(jobset)
    assert pod['nodeSelector']['cloud.google.com/gke-tpu-topology'] == topology
    assert pod['containers'][0]['resources']['limits'] == {'google.com/tpu': chips}


def test_gke_applies_what_it_prints(host):
    host.install('kubectl', f'cat >{host.home}/applied')
    arguments = ('gpu', '--image=i', CONFIG, BUCKET)
    assert host.run(LAUNCH / 'gke.sh', *arguments).returncode == 0
    assert host.calls('kubectl') == [['apply', '-f', '-']]
    printed = host.run(LAUNCH / 'gke.sh', *arguments[:2], '--dry-run', *arguments[2:]).stdout
    assert printed.split('\n', 1)[1] == (host.home / 'applied').read_text()
    assert '${' not in printed.split('apiVersion')[1]


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['cpu'], 'cpu is neither gpu nor tpu'),
        (['gpu', CONFIG, 'gs://b/r'], 'add --image=IMAGE'),
        (['gpu', '--image=i'], 'CONFIG and WORKDIR are missing'),
        (['gpu', '--image=a b', CONFIG, 'gs://b/r'], '--image=a b is no name'),
        (['gpu', '--image=i', CONFIG, 'runs/mine'], 'runs/mine is lost with its pod'),
        (['gpu', '--image=i', CONFIG, 'gs://b/a\nb'], 'a line break'),
        (['gpu', '--image=i', '--nodes=0', CONFIG, 'gs://b/r'], '--nodes=0 must be'),
        (['gpu', '--image=i', '--topology=4x4', CONFIG, 'gs://b/r'], '--topology=4x4 is no option of gke.sh gpu'),
        (['tpu', '--image=i', '--topology=4', CONFIG, 'gs://b/r'], 'must look like 4x4'),
        (['tpu', '--image=i', '--topology=1x1', CONFIG, 'gs://b/r'], "has 1 chips, which nodes of 4 can't make up"),
        (['gpu', '--image=i', '--name=Mine', CONFIG, 'gs://b/r'], '--name=Mine must be'),
        (['gpu', '--image=i', '--claim=-', CONFIG, 'gs://b/r'], '--claim=- is no name'),
    ],
)
def test_mistakes_with_gke(host, arguments, message):
    host.install('kubectl')
    done = host.run(LAUNCH / 'gke.sh', *arguments)
    assert done.returncode == 1
    assert done.stderr.startswith('error: ')
    assert message in done.stderr
    assert host.calls('kubectl') == []


def test_container_starts_the_training_itself():
    """No shell between: as the first process, a shell would keep SIGTERM to itself."""
    lines = (LAUNCH / 'Containerfile').read_text().splitlines()
    (entry,) = (json.loads(line.removeprefix('ENTRYPOINT ')) for line in lines if line.startswith('ENTRYPOINT '))
    assert entry == ['python', '-m', 'jaxcolor.main']
    copied = [line.split()[1:-1] for line in lines if re.match(r'COPY (?!--from)', line)]
    assert all((ROOT / name).exists() for names in copied for name in names)
    (user,) = (line.split()[1] for line in lines if line.startswith('USER '))
    assert int(user) > 0
