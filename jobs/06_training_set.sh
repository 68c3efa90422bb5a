#!/usr/bin/env bash
# 6. Kept conversations to training examples: curate (paper section 3.2, eq. 2). Then look at it:
#
#   rayscaler status "$RUN"
#   rayscaler show "$RUN" funnel
#
# Needs: the tables of step 5; the tokenizer that the configuration names, on every node (the default trains its own).
# Takes: about 8 minutes on 2 cores for some 18,000 conversations, by the 278 of starter.yaml (7 s).
source "$(dirname "$0")/submit.sh"
run_until training-set curate
