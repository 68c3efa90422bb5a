#!/usr/bin/env bash
# The proof at the smallest scale: from API specifications to a model that learnt, on 2 CPU cores and with nothing to
# download. Makes environments, collects verified trajectories with the scripted agent, trains a model from scratch in
# two phases (and phase 2 alone, to compare), serves each checkpoint with vLLM, plays held-out tasks four times each.
#
#   jobs/reproduce_tiny.sh [OUT]        tables, plot and figures go to OUT (runs/tiny-proof if not given)
#
# Needs: `make setup setup-vllm` (or PYTHON set to an interpreter that has both), 6 GB of memory, 1 GB of disk.
# Takes: docs/proof.md says what it took. A second call takes every whole table as it is.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

PYTHON=${PYTHON:-.venv/bin/python}
RUN=${RUN:-runs/tiny}
OUT=${1:-runs/tiny-proof}
export RAY_ADDRESS=local             # a Ray of its own
export RAY_worker_niceness=0         # Ray's workers otherwise give way to everything else on the machine
export OMP_NUM_THREADS=1             # two workers on two cores; a second thread each would wait for a core

started=$SECONDS
step() { echo "$1: $((SECONDS - started)) s since the start, load $(cut -d' ' -f1-3 /proc/loadavg)"; }

step start
"$PYTHON" jobs/run.py --config configs/tiny.yaml --run "$RUN" --until curate
step "examples are made"
"$PYTHON" jobs/run.py --config configs/tiny.yaml --run "$RUN" --until train
step "models are trained"
"$PYTHON" jobs/run.py --config configs/tiny.yaml --run "$RUN"
step "models have played"
"$PYTHON" jobs/proof.py "$RUN" --out "$OUT"
step "done, see $OUT"
