#!/usr/bin/env bash
# A Ray cluster on this machine, for `ray job submit` and for runs that join it.
#
#   cluster/local.sh start [logical CPUs]     the default is the cores + 2: an actor pool on all CPUs starves its feeders
#   cluster/local.sh status
#   cluster/local.sh stop                     ends the processes that `start` made, by their ids, and no others
#
# Everything listens on loopback. RAYSCALER_RAY_DIR (short: Ray's sockets have a length limit; a folder of its own),
# RAYSCALER_RAY_PORT, RAYSCALER_DASHBOARD_PORT and RAYSCALER_AGENT_PORT (which takes the jobs) move it.
set -euo pipefail

dir=${RAYSCALER_RAY_DIR:-/tmp/rayscaler-ray}
port=${RAYSCALER_RAY_PORT:-6379}
dashboard=${RAYSCALER_DASHBOARD_PORT:-8265}
agent=${RAYSCALER_AGENT_PORT:-52365}
mark=$dir/rayscaler.pids
export RAY_USAGE_STATS_ENABLED=0
export ARROW_DEFAULT_MEMORY_POOL=${ARROW_DEFAULT_MEMORY_POOL:-jemalloc} # gives back what workers free
export RAY_AUTH_MODE=${RAY_AUTH_MODE:-disabled} # the same for head, workers, driver and command line

# Ids that `start` wrote down and that still belong to a Ray process of this folder, and the workers below them.
processes() {
  local pid
  [ -f "$mark" ] || return 0
  while read -r pid; do
    if grep -qF -- "$dir/session_" "/proc/$pid/cmdline" 2>/dev/null; then
      echo "$pid"
      pgrep -P "$pid" || true
    fi
  done <"$mark"
}

start() {
  if [ -n "$(processes)" ]; then
    echo "already running; see: cluster/local.sh status" >&2
    exit 1
  fi
  if [ -e "$dir" ] && [ ! -f "$mark" ]; then
    echo "$dir exists and was not made by this script; set RAYSCALER_RAY_DIR to a folder of its own" >&2
    exit 1
  fi
  mkdir -p "$dir"
  : >"$mark"
  ray start --head --node-ip-address=127.0.0.1 --port="$port" --num-cpus="${1:-$(($(nproc) + 2))}" \
    --dashboard-host=127.0.0.1 --dashboard-port="$dashboard" --dashboard-agent-listen-port="$agent" \
    --temp-dir="$dir" --disable-usage-stats >"$dir/start.log" 2>&1 ||
    { cat "$dir/start.log" >&2; exit 1; }
  pgrep -f -- "ray.*$dir/session_" >"$mark"
  cat <<TEXT
Ray runs at 127.0.0.1:$port, its dashboard at http://127.0.0.1:$dashboard. Runs join it:

  export RAY_AUTH_MODE=$RAY_AUTH_MODE RAY_ADDRESS=127.0.0.1:$port
  rayscaler run configs/starter.yaml

or are submitted as jobs:

  export RAY_AUTH_MODE=$RAY_AUTH_MODE RAY_API_SERVER_ADDRESS=http://127.0.0.1:$dashboard
  ray job submit --working-dir . -- python jobs/run.py --config configs/starter.yaml --run "\$PWD/runs/starter"
TEXT
}

status() {
  if [ -z "$(processes)" ]; then
    echo "not running"
    exit 1
  fi
  ray status --address="127.0.0.1:$port"
}

stop() {
  if [ ! -f "$mark" ]; then
    echo "not running"
    return
  fi
  local pids signal
  for signal in TERM KILL; do
    pids=$(processes)
    # shellcheck disable=SC2086  # one word per process
    [ -z "$pids" ] || kill -s "$signal" $pids 2>/dev/null || true
    for _ in $(seq 25); do
      [ -z "$(processes)" ] && break
      sleep 0.2
    done
  done
  rm -rf "$dir"
  echo "stopped"
}

case ${1:-} in
  start | status | stop) "$@" ;;
  *)
    sed -n '2,9s/^# \{0,1\}//p' "$0"
    exit 2
    ;;
esac
