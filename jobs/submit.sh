#!/usr/bin/env bash
# Sourced by the numbered scripts: `submit NAME COMMAND…` sends a step of the run to the cluster as a Ray job and follows
# its log. The working directory travels with it, without what .gitignore names; on the nodes only the dependencies are
# needed. A step that was stopped is submitted again and goes on inside its stage.
#
#   RUN                      folder or URI of the run; every node must see it, so s3://… or gs://… on several machines
#   CONFIG                   configs/cloud30k.yaml if not set: 33,299 operations, the size of the paper's pool, and no
#                            model. Steps 4, 7 and 8 take configs/paper.yaml: set it for all steps of such a run
#   RESOURCES                such as "grow_to_cpus=112": how far an autoscaling cluster may grow (resources.py)
#   GPUS                     of step 8: how many the driver asks for, 1 if not set
#   RAY_API_SERVER_ADDRESS   where the cluster takes jobs: http://127.0.0.1:8265 if not set
#   RAY_AUTH_MODE            as the cluster's own: token (aws.yaml, gcp.yaml, kuberay) or disabled (local.sh)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

: "${RUN:?set RUN to the folder or URI of the run, for example RUN=s3://bucket/runs/cloud30k}"
CONFIG=${CONFIG:-configs/cloud30k.yaml}
export RAY_API_SERVER_ADDRESS=${RAY_API_SERVER_ADDRESS:-http://127.0.0.1:8265}
export RAY_AUTH_MODE=${RAY_AUTH_MODE:-disabled}

read -r -a resources <<<"${RESOURCES:-}"
entrypoint=()  # what the driver asks of Ray

# `run_until NAME STAGE`: the run up to and with the stage.
run_until() {
  submit "$1" python jobs/run.py --config "$CONFIG" --run "$RUN" --until "$2" --resources "${resources[@]}"
}

submit() {
  local name=$1
  shift
  ray job submit --working-dir . --submission-id "rayscaler-$name-$(date +%Y%m%d-%H%M%S)" "${entrypoint[@]}" \
    --runtime-env-json "{\"env_vars\": {\"RAY_AUTH_MODE\": \"$RAY_AUTH_MODE\"}}" -- "$@"
}
