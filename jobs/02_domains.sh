#!/usr/bin/env bash
# 2. Specifications to domains: ingest, embed, connect, partition, link (paper section 2.1).
#
# Needs: 2 GB of memory per worker; no GPU (resources.worker_gpus: 1 puts the embedding on one, which pays from about a
#        million distinct phrases). About 200 MB in the bucket.
# Takes: 2.5 minutes on 2 cores for 33,299 operations (measured: 24 + 48 + 11 + 7 + 48 s).
source "$(dirname "$0")/submit.sh"
run_until domains link
