#!/usr/bin/env bash
# Trains on a slice of a Cloud TPU pod; launch/README.md says what it needs.
# shellcheck disable=SC2016  # what is in single quotes is for the workers' shell
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: launch/tpu_pod.sh COMMAND [OPTION…] [CONFIG WORKDIR [FLAG…]]

  create                         queue for a slice, and wait until it is there
  copy                           copy the last commit to all workers, and install it
  run CONFIG WORKDIR [FLAG…]     start training on all workers, in the background; whatever ends it, it resumes
  up CONFIG WORKDIR [FLAG…]      create, copy, run
  resume CONFIG WORKDIR [FLAG…]  run again; if the slice was pre-empted, queue for another one first
  tail                           follow the log of worker 0
  stop                           save, and end training on all workers
  delete                         give the slice back, with all that is on it

CONFIG is a file of this repository, FILE[:variant]; WORKDIR a bucket, gs://…, or a path that all workers share;
each FLAG goes to jaxcolor.main as it is, such as --config.data.batch_size=256.

  --zone=ZONE           where; or $CLOUDSDK_COMPUTE_ZONE
  --name=NAME           of slice and queued resource; or $TPU_NAME (jaxcolor)
  --type=TYPE           of accelerator; or $TPU_TYPE (v5litepod-16)
  --runtime=VERSION     of the TPU's software; or $TPU_RUNTIME (the one for the type)
  --spot                cheaper, and may be taken away at any time
  --env=NAME=VALUE      for the training process, such as TFDS_DATA_DIR=/data; may be repeated
  --dry-run             print every command, one a line, and run none
  --help

example: launch/tpu_pod.sh up --zone=us-west4-a --spot configs/photos_pix2pix.py gs://BUCKET/photos
TEXT
}

die() {
  printf 'error: %s\n' "$@" >&2
  exit 1
}

# Prints its arguments as a shell reads them.
quote() {
  local word words=() apostrophe="'\\''"
  for word; do
    if [[ ! $word =~ ^[A-Za-z0-9_@%+=:,./-]+$ ]]; then
      word=${word//"'"/"$apostrophe"}
      word="'$word'"
    fi
    words+=("$word")
  done
  printf '%s\n' "${words[*]}"
}

run() {
  if [[ -n $dry_run ]]; then quote "$@"; else "$@"; fi
}

resource() {
  local verb=$1
  shift
  run gcloud compute tpus queued-resources "$verb" "$name" --zone="$zone" "$@"
}

on_workers() {
  run gcloud compute tpus tpu-vm ssh "$name" --zone="$zone" --worker="$1" --command="$2"
}

create() {
  local options=(--node-id="$name" --accelerator-type="$type" --runtime-version="$runtime")
  resource create "${options[@]}" ${spot:+--spot}
  local state
  while state=$(resource describe '--format=value(state.state)'); do
    case $state in
      ACTIVE) return ;;
      FAILED | SUSPENDING | SUSPENDED | DELETING)
        die "$name is $state; see: gcloud compute tpus queued-resources describe $name --zone=$zone" ;;
    esac
    if [[ -n $dry_run ]]; then
      printf '%s   # every %s s, until it says ACTIVE\n' "$state" "$poll"
      return
    fi
    echo "$name is $state" >&2
    sleep "$poll"
  done
  exit 1 # gcloud has said why
}

# On the worker: ends there, if training is under way.
idle="flock --nonblock jaxcolor.lock true || { echo \"training is under way on \$(hostname); first: tpu_pod.sh stop\" >&2; exit 1; }"

copy() {
  local archive=${TMPDIR:-/tmp}/jaxcolor-$name.tar.gz
  git -C "$root" diff --quiet HEAD -- || echo 'warning: what is not committed is not copied' >&2
  run git -C "$root" archive --format=tar.gz --prefix=jaxcolor/ --output="$archive" HEAD
  run gcloud compute tpus tpu-vm scp "$archive" "$name:jaxcolor.tar.gz" --zone="$zone" --worker=all
  # The workers' own Python may be older than jaxcolor takes; uv brings one.
  local install=(
    'set -e' "$idle"
    'rm -rf jaxcolor' 'tar -xzf jaxcolor.tar.gz'
    'PIP_BREAK_SYSTEM_PACKAGES=1 python3 -m pip install --quiet --user uv' 'PATH=$HOME/.local/bin:$PATH'
    'test -d jaxcolor-venv || uv venv --quiet --python 3.12 jaxcolor-venv'
    'cd jaxcolor' "uv pip install --quiet --python ../jaxcolor-venv --editable '.[train,tpu,buckets]'"
  )
  local line
  printf -v line '%s; ' "${install[@]}"
  on_workers all "${line%; }"
}

train() {
  # With its platform named, JAX does not fall back to the CPU where a TPU fails.
  local training=(
    env 'JAX_PLATFORMS=tpu,cpu' ${environment[@]+"${environment[@]}"} flock --nonblock --no-fork ../jaxcolor.lock
    launch/restart.sh ../jaxcolor-venv/bin/python -m jaxcolor.main "--config=$config" "--workdir=$workdir" --multihost "$@"
  )
  # A session of its own: it outlives the connection, and `stop` reaches all of it by its number.
  on_workers all "$idle; cd jaxcolor || exit; \
setsid nohup $(quote "${training[@]}") >>../jaxcolor.log 2>&1 </dev/null & echo \$! >../jaxcolor.pid"
}

resume() {
  local state
  if [[ -n $dry_run ]]; then
    resource describe '--format=value(state.state)'
    echo '# ACTIVE: the last line alone; SUSPENDED or FAILED: all of these'
    state=SUSPENDED
  else
    state=$(resource describe '--format=value(state.state)') || die "there is no $name in $zone; first: tpu_pod.sh up"
  fi
  case $state in
    ACTIVE) ;;
    SUSPENDED | FAILED)
      resource delete --force --quiet
      create
      copy ;;
    *) die "$name is $state; try again when it is ACTIVE, SUSPENDED or FAILED" ;;
  esac
  train "$@"
}

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
name=${TPU_NAME:-jaxcolor} zone=${CLOUDSDK_COMPUTE_ZONE:-} type=${TPU_TYPE:-v5litepod-16} runtime=${TPU_RUNTIME:-}
poll=${TPU_POLL:-30} spot='' dry_run='' environment=()

[[ $# -gt 0 ]] || { usage >&2; exit 1; }
command=$1
shift
case $command in
  create | copy | run | up | resume | tail | stop | delete) ;;
  -h | --help | help) usage; exit ;;
  *) die "$command is no command; see: launch/tpu_pod.sh --help" ;;
esac
while [[ $# -gt 0 ]]; do
  case $1 in
    --zone=*) zone=${1#*=} ;;
    --name=*) name=${1#*=} ;;
    --type=*) type=${1#*=} ;;
    --runtime=*) runtime=${1#*=} ;;
    --env=[A-Za-z_]*=*) environment+=("${1#*=}") ;;
    --spot) spot=yes ;;
    --dry-run) dry_run=yes ;;
    -h | --help) usage; exit ;;
    --*) die "$1 is no option of tpu_pod.sh; flags of jaxcolor.main come after CONFIG WORKDIR; see --help" ;;
    *) break ;;
  esac
  shift
done
case $command in
  run | up | resume)
    [[ $# -ge 2 ]] || die "$command needs CONFIG and WORKDIR, such as: configs/photos_pix2pix.py gs://BUCKET/photos"
    config=$1 workdir=$2
    shift 2
    [[ -f $root/${config%%:*} ]] || die "$config: there is no such file in $root; the workers know only what is there"
    [[ $workdir == *://* || $workdir == /* ]] \
      || die "$workdir is on each worker's own disk; use gs://BUCKET/…, or the full path of what all of them share" ;;
  *) [[ $# -eq 0 ]] || die "$command takes no $1; see --help" ;;
esac
[[ $name =~ ^[a-z]([a-z0-9-]*[a-z0-9])?$ ]] || die "--name=$name must be lower-case letters, digits and -"
[[ -n $zone ]] || die 'no zone; add --zone=ZONE, or export CLOUDSDK_COMPUTE_ZONE' \
  '(gcloud compute tpus locations list shows them)'
if [[ -z $runtime ]]; then
  case $type in
    v6e-*) runtime=v2-alpha-tpuv6e ;;
    v5litepod-*) runtime=v2-alpha-tpuv5-lite ;;
    v5p-*) runtime=v2-alpha-tpuv5 ;;
    v[234]-*) runtime=tpu-ubuntu2204-base ;;
    *) die "--type=$type has no known runtime; add --runtime=VERSION" ;;
  esac
fi
[[ -n $dry_run ]] || command -v gcloud >/dev/null \
  || die 'there is no gcloud on PATH; install the Google Cloud CLI, or add --dry-run to see the commands'

case $command in
  create) create ;;
  copy) copy ;;
  run) train "$@" ;;
  up)
    create
    copy
    train "$@" ;;
  resume) resume "$@" ;;
  tail) on_workers 0 'tail --lines=100 --follow=name --retry jaxcolor.log' ;;
  stop)
    on_workers all 'flock --nonblock jaxcolor.lock true || { kill -TERM -- "-$(cat jaxcolor.pid)" && flock --timeout 120 jaxcolor.lock true; }' ;;
  delete) resource delete --force --quiet ;;
esac
