#!/usr/bin/env bash
# A Ray cluster on this machine, for `ray job submit` and for runs that join it.
#
#   cluster/local.sh start [logical CPUs]     the default is the cores + 2: see docs/design.md, "Ray"
#   cluster/local.sh status
#   cluster/local.sh stop                     ends only the processes that `start` made, by their id
#
# Everything listens on loopback. RAYSCALER_RAY_DIR (short: Ray's sockets have a length limit), RAYSCALER_RAY_PORT and
# RAYSCALER_DASHBOARD_PORT move it.
set -euo pipefail

dir=${RAYSCALER_RAY_DIR:-/tmp/rayscaler-ray}
port=${RAYSCALER_RAY_PORT:-6379}
dashboard=${RAYSCALER_DASHBOARD_PORT:-8265}
export RAY_USAGE_STATS_ENABLED=0
export RAY_AUTH_MODE=${RAY_AUTH_MODE:-disabled} # the same for head, workers, driver and command line

processes() { pgrep -f -- "$dir/session_" || true; }

start() {
  if [ -n "$(processes)" ]; then
    echo "already running; see: cluster/local.sh status" >&2
    exit 1
  fi
  ray start --head --node-ip-address=127.0.0.1 --port="$port" --num-cpus="${1:-$(($(nproc) + 2))}" \
    --dashboard-host=127.0.0.1 --dashboard-port="$dashboard" --temp-dir="$dir" --disable-usage-stats >"$dir.log" 2>&1 ||
    { cat "$dir.log" >&2; exit 1; }
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
  local pids
  pids=$(processes)
  if [ -z "$pids" ]; then
    echo "not running"
    return
  fi
  # shellcheck disable=SC2086  # one word per process
  kill $pids 2>/dev/null || true
  for _ in $(seq 50); do
    [ -z "$(processes)" ] && break
    sleep 0.2
  done
  pids=$(processes)
  # shellcheck disable=SC2086
  [ -z "$pids" ] || kill -9 $pids 2>/dev/null || true
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
