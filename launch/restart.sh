#!/usr/bin/env bash
# Runs a command until it is done:
#
#     launch/restart.sh python -m jaxcolor.main --config=FILE --workdir=DIR --multihost
#
# Exit code 0 (done) and 1 (a mistake, or a run that has drifted) end it. After any other, by which a run says that it
# can go on, or another host's death took it along, it starts anew, after $PAUSE seconds (10) and $RESTARTS times (20)
# at most. SIGTERM and SIGINT are meant for all of the process group: the command saves and ends, and so does this.
set -uo pipefail

limit=${RESTARTS:-20} pause=${PAUSE:-10}

[[ $# -gt 0 ]] || { echo 'usage: [RESTARTS=20] [PAUSE=10] launch/restart.sh COMMAND [ARGUMENT…]' >&2; exit 1; }
[[ $limit =~ ^[0-9]+$ ]] || { echo "error: RESTARTS=$limit is no whole number" >&2; exit 1; }
[[ $pause =~ ^[0-9]+$ ]] || { echo "error: PAUSE=$pause is no whole number of seconds" >&2; exit 1; }

asked_to_stop=
trap 'asked_to_stop=yes' TERM INT

for (( restarts = 0; ; restarts++ )); do
  "$@"
  code=$?
  [[ $code != [01] && -z $asked_to_stop ]] || exit "$code"
  (( restarts < limit )) || { echo "restart.sh: exit code $code after $limit restarts; giving up" >&2; exit "$code"; }
  echo "restart.sh: exit code $code; restart $(( restarts + 1 )) of $limit in $pause s" >&2
  sleep "$pause"
  [[ -z $asked_to_stop ]] || exit "$code"
done
