#!/usr/bin/env bash
# 8. Checkpoints to scores: evaluate plays held-out tasks and benchmarks, score grades them (paper section 4). Then look:
#
#   rayscaler scores "$RUN"
#
# Needs: the tables of steps 3 and 7 and a configuration with `evaluate:`, such as configs/paper.yaml; the benchmarks' data
#        in the working directory, if it names any. The driver asks Ray for a GPU (GPUS=0: none), so that it starts on a
#        machine with one: it serves each checkpoint there in turn, on the address of that machine if
#        `resources.serving.host` is 0.0.0.0. The simulated user is of the pool, on other GPUs, or of step 4.
# Takes: not measured. Tokens are models x items x trials x replies x tokens per reply: 2 checkpoints and the base on 1,000
#        tasks, 4 times, 10 replies of 300 tokens are 36 million, 4 GPU hours at 2,500 tokens/s, and as many of the user.
CONFIG=${CONFIG:-configs/paper.yaml}
source "$(dirname "$0")/submit.sh"
entrypoint=(--entrypoint-num-gpus "${GPUS:-1}")
run_until evaluate score
