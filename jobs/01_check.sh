#!/usr/bin/env bash
# 1. Is everything there? Prints the plan as the cluster sees it: the packages, the configuration, the specification
# files and the run's storage are all touched, nothing is made.
#
# Needs: a cluster (cluster/local.sh, `ray up cluster/aws.yaml` …); on its nodes the dependencies (cluster/Dockerfile);
#        for a bucket the right to list, read, write and delete in it, on every node.
# Takes: half a minute on the head, most of it hashing the specification files. Costs nothing beyond the head.
source "$(dirname "$0")/submit.sh"
submit check python -m rayscaler.cli plan "$CONFIG" --run "$RUN"
