#!/usr/bin/env bash
# 4. The models that play: a pool of vLLM engines on the cluster, behind one address that speaks OpenAI's API. It runs
# until the job is stopped, and is drained then. Leave this step out where a scripted agent plays (cloud30k.yaml), where
# `base_url` names a server, or where the pool may start and end with each stage that asks it (step 5 does that itself).
#
#   ray job stop "rayscaler-serve-…"       the submission's id stands in its first line
#
# Needs: a configuration with `serve:`, such as configs/paper.yaml; GPUs as `resources.serving` says, there one to eight
#        H100 for an 8B model; `host: 0.0.0.0`, if workers run on other machines, on a network that you trust.
# Takes: minutes until the engines answer, most of it fetching weights (16 GB for 8B). Costs what its GPUs cost for as long
#        as it runs: docs/cluster.md has the sum of tokens and hours.
CONFIG=${CONFIG:-configs/paper.yaml}
source "$(dirname "$0")/submit.sh"
submit serve python -m rayscaler.cli serve "$CONFIG"
