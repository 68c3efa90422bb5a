#!/usr/bin/env bash
# 3. Domains to environments and tasks: materialize, compose (paper sections 2.1 and 2.2).
#
# Needs: the tables of step 2; 2 GB of memory per worker, CPUs only. This is where workers pay: one domain is one unit.
# Takes: about 20 minutes on 2 cores for 1,739 domains, by the 26 of starter.yaml (6 + 12 s on 2 cores): not measured whole.
source "$(dirname "$0")/submit.sh"
run_until environments compose
