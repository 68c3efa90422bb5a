#!/usr/bin/env bash
# 7. Examples to checkpoints: train, phase 1 on all domains, phase 2 on from it on the verticals (paper section 3.2).
#
# Needs: the tables of step 6 and a configuration with `train:`, such as configs/paper.yaml; the weights that it starts from
#        (16 GB for Qwen3-8B), on every node; eight GPUs of 80 GB for 8B in full (ZeRO-3), fewer with `lora:`. RESOURCES
#        "grow_to_gpus=8" says how many train together where the cluster grows. 130 GB in the bucket per checkpoint of
#        8B with its optimizer, 16 GB for the last one of a phase.
# Takes: not measured. By arithmetic about 5 GPU hours for 112 million tokens (18,600 conversations of 3,000, twice) at 8B:
#        8 x 8e9 x 112e6 operations at 400 TFLOP/s of an H100. A job that was stopped goes on from its last checkpoint.
CONFIG=${CONFIG:-configs/paper.yaml}
source "$(dirname "$0")/submit.sh"
run_until train train
