#!/usr/bin/env bash
# Trains on Kubernetes: fills in launch/gke_jobset.yaml and applies it. launch/README.md says what the cluster must have.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: launch/gke.sh gpu|tpu --image=IMAGE [OPTION…] CONFIG WORKDIR [FLAG…]

CONFIG is a file of the image, FILE[:variant]; WORKDIR a bucket, gs://…, or a folder of the claim, /data/…; each FLAG
goes to jaxcolor.main as it is, such as --config.data.source=folder:/data/photos.

  --image=IMAGE         built by launch/Containerfile, where the cluster can pull it
  --name=NAME           of the JobSet (jaxcolor)
  --claim=CLAIM         a PersistentVolumeClaim that all pods can mount, at /data (jaxcolor-data)
  --accelerator=LABEL   of the nodes (gpu: nvidia-h100-80gb; tpu: tpu-v5-lite-podslice)
  --nodes=N             gpu: pods, one a node (2)
  --gpus-per-node=G     gpu (8)
  --topology=TOPOLOGY   tpu: of the slice (4x4)
  --chips-per-node=C    tpu (4)
  --dry-run             print the YAML and what would be run with it; apply nothing
  --help

example: launch/gke.sh gpu --image=REGISTRY/jaxcolor --nodes=4 configs/photos_pix2pix.py gs://BUCKET/photos \
             --config.data.source=folder:/data/photos
stop it: kubectl delete jobset jaxcolor      # each pod saves first
TEXT
}

die() {
  printf 'error: %s\n' "$@" >&2
  exit 1
}

# Prints a string of JSON, which is one of YAML too. Kubernetes reads $$ as $, which leaves $(NAME) as it is.
json() {
  local text=$1 character backslash=\\
  for character in "$backslash" '"'; do text=${text//"$character"/"$backslash$character"}; done
  text=${text//'$'/'$$'}
  printf '"%s"' "$text"
}

# Prints one of the documents of the file, filled in.
render() {
  local document=gpu line field value
  while IFS= read -r line; do
    if [[ $line == --- ]]; then
      document=tpu
      continue
    fi
    [[ $document == "$variant" ]] || continue
    for field in NAME IMAGE NODES CHIPS ACCELERATOR TOPOLOGY CLAIM; do
      value=$field
      line=${line//"\${$field}"/${!value}}
    done
    # shellcheck disable=SC2016  # it stands so in the file
    [[ $line != *'${ARGUMENTS}' ]] || line=${line%'${ARGUMENTS}'}$ARGUMENTS
    printf '%s\n' "$line"
  done <"$(dirname "${BASH_SOURCE[0]}")/gke_jobset.yaml"
}

variant=${1-}
case $variant in
  gpu) ACCELERATOR=nvidia-h100-80gb CHIPS=8 ;;
  tpu) ACCELERATOR=tpu-v5-lite-podslice CHIPS=4 ;;
  -h | --help) usage; exit ;;
  '') usage >&2; exit 1 ;;
  *) die "$variant is neither gpu nor tpu; see --help" ;;
esac
shift
NAME=jaxcolor IMAGE='' CLAIM=jaxcolor-data NODES=2 TOPOLOGY=4x4 dry_run=''
while [[ $# -gt 0 ]]; do
  case $variant:$1 in
    *:--image=*) IMAGE=${1#*=} ;;
    *:--name=*) NAME=${1#*=} ;;
    *:--claim=*) CLAIM=${1#*=} ;;
    *:--accelerator=*) ACCELERATOR=${1#*=} ;;
    gpu:--nodes=*) NODES=${1#*=} ;;
    gpu:--gpus-per-node=*) CHIPS=${1#*=} ;;
    tpu:--topology=*) TOPOLOGY=${1#*=} ;;
    tpu:--chips-per-node=*) CHIPS=${1#*=} ;;
    *:--dry-run) dry_run=yes ;;
    *:-h | *:--help) usage; exit ;;
    *:--*) die "$1 is no option of gke.sh $variant; flags of jaxcolor.main come after CONFIG WORKDIR; see --help" ;;
    *) break ;;
  esac
  shift
done
[[ $# -ge 2 ]] || die 'CONFIG and WORKDIR are missing, such as: configs/photos_pix2pix.py gs://BUCKET/photos'
config=$1 workdir=$2
shift 2
[[ $workdir == *://* || $workdir == /data/* ]] || die "$workdir is lost with its pod; use gs://BUCKET/…, or /data/…"
[[ -n $IMAGE ]] || die 'no image; add --image=IMAGE (podman build -f launch/Containerfile says how to make one)'
[[ $IMAGE =~ ^[A-Za-z0-9][A-Za-z0-9._:/@-]*$ ]] || die "--image=$IMAGE is no name of an image"
[[ ${#NAME} -le 40 && $NAME =~ ^[a-z]([a-z0-9-]*[a-z0-9])?$ ]] \
  || die "--name=$NAME must be lower-case letters, digits and -, at most 40"
[[ $CLAIM =~ ^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$ ]] || die "--claim=$CLAIM is no name of a PersistentVolumeClaim"
[[ $ACCELERATOR =~ ^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$ ]] || die "--accelerator=$ACCELERATOR is no label"
[[ $NODES =~ ^[1-9][0-9]*$ ]] || die "--nodes=$NODES must be 1 or more"
[[ $CHIPS =~ ^[1-9][0-9]*$ ]] || die "$CHIPS chips a node; it must be 1 or more"
[[ $TOPOLOGY =~ ^[1-9][0-9]*(x[1-9][0-9]*)+$ ]] || die "--topology=$TOPOLOGY must look like 4x4 or 2x2x4"
if [[ $variant == tpu ]]; then
  total=$(( ${TOPOLOGY//x/*} ))
  (( total % CHIPS == 0 )) || die "--topology=$TOPOLOGY has $total chips, which nodes of $CHIPS can't make up"
  NODES=$(( total / CHIPS ))
fi
ARGUMENTS=
for argument in "--config=$config" "--workdir=$workdir" --multihost "$@"; do
  [[ $argument != *[[:cntrl:]]* ]] || die "a line break, or the like, in: $argument"
  ARGUMENTS+=${ARGUMENTS:+, }$(json "$argument")
done
ARGUMENTS="[$ARGUMENTS]"

if [[ -n $dry_run ]]; then
  echo '# kubectl apply -f - <<YAML'
  render
  exit
fi
command -v kubectl >/dev/null || die 'there is no kubectl on PATH; install it, or add --dry-run to see the YAML'
render | kubectl apply -f -
