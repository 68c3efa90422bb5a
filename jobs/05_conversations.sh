#!/usr/bin/env bash
# 5. Tasks to judged conversations: rollout, filter (paper section 3.1).
#
# Needs: the tables of step 3. With the scripted sides CPUs only. With models either GPUs for the pool of `serve:`, which
#        the stage starts and drains if step 4 does not run (configs/paper.yaml), or an OpenAI-compatible server that
#        the workers reach (`rollout:` as in configs/endpoint.yaml): cluster/kuberay/rayservice.yaml, or any other; the
#        key of a server that asks for one in the workers' environment, never in the configuration.
# Takes: scripted, about 10 minutes on 2 cores for some 18,000 tasks, by the 278 of starter.yaml (5 + 3 s). With models
#        the time is theirs: docs/cluster.md has the sum.
source "$(dirname "$0")/submit.sh"
run_until conversations filter
