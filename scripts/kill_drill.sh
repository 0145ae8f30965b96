#!/usr/bin/env bash
# Kills a run with SIGKILL at many random moments and starts it again; the tables must be those of an undisturbed run.
# usage: scripts/kill_drill.sh [KILLS] [SEED]
# Over a folder of your own instead of the small cohort of the tests:
#        DICOM_ROOT=/data/export scripts/kill_drill.sh [KILLS] [SEED] [further options of `rtpipeline run`]
set -euo pipefail
kills=${1:-10} seed=${2:-1}
shift $(( $# < 2 ? $# : 2 ))
cd "$(dirname "$0")/.."
if [ -z "${DICOM_ROOT:-}" ]; then
  RTPIPELINE_KILLS=$kills RTPIPELINE_KILL_SEED=$seed \
    exec cargo test --locked --test faults a_killed_run -- --nocapture
fi

cargo build --locked --quiet
program=$PWD/target/debug/rtpipeline
input=$(cd "$DICOM_ROOT" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
run() { "$program" run --dicom-root "$input" --outdir "$1" --logs logs --progress none "${@:2}"; }
# Everything but machine state and what tells when and how long a run was.
sums() {
  (cd "$1" && find . -path ./_RUN -prune -o -type f ! -name run.json ! -name cohort.html ! -name failures.csv -print0 \
    | sort -z | xargs -0 sha256sum)
}

begin=$(date +%s%N)
code=0; run clean "$@" || code=$?
whole=$(( ($(date +%s%N) - begin) / 1000000 ))
[ "$code" = 0 ] || [ "$code" = 20 ] || { echo "the undisturbed run ended with $code"; exit 1; }
sums clean > clean.sums
RANDOM=$seed
# All kills hit one output folder, one after the other, so that resumed runs are killed too: moments are short, for the work
# to last, but for the last two, which may fall anywhere.
for n in $(seq "$kills"); do
  moment=$(( whole * (RANDOM % 1000) / 1000 ))
  [ "$n" -gt $(( kills - 2 )) ] || moment=$(( 2 * moment / kills ))
  run killed "$@" >/dev/null 2>&1 & pid=$!
  sleep "$(printf '%d.%03d' $(( moment / 1000 )) $(( moment % 1000 )))"
  kill -KILL "$pid" 2>/dev/null || true
  wait "$pid" 2>/dev/null || true
  units=$(find killed/_RUN/units -name '*.json' 2>/dev/null | wc -l || true)
  echo "kill $n after $moment ms of $whole ms: $units units kept"
done
again=0; run killed "$@" || again=$?
[ "$again" = "$code" ] || { echo "the resumed run ended with $again, the undisturbed one with $code"; exit 1; }
sums killed > killed.sums
diff clean.sums killed.sums && echo "the same bytes after $kills kills"
