# Every target sets up what it needs in .venv; nothing else has to be installed but Python 3.11+, git and make.
PYTHON ?= python3
BIN := .venv/bin
TESTS ?= tests

.DEFAULT_GOAL := help
.PHONY: help demo setup setup-demo test test-unit check format lint types contracts storm mutants bench official-client clean

help:  ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## / /' | awk '{t=$$1; $$1=""; printf "  %-16s%s\n", t, $$0}'

demo: setup-demo  ## Run the digits example on the embedded control plane
	@$(BIN)/flyte run examples/digits/sweep.py sweep --folds 3

setup-demo:
	@$(PYTHON) scripts/bootstrap.py examples

setup:  ## Make .venv with everything that development needs
	@$(PYTHON) scripts/bootstrap.py dev examples

test: setup official-client  ## Run every test that needs no container and no cluster
	$(BIN)/python -m pytest $(TESTS) -n 2 --dist loadfile --timeout 240

test-unit: setup  ## Run the fast tests
	$(BIN)/python -m pytest tests/unit tests/arch tests/sim -n 2 --timeout 120

check: setup format lint types contracts  ## Format, lint, types, import contracts, sizes, fast tests
	$(BIN)/python -m pytest tests/unit tests/arch tests/sim tests/contract tests/integration -n 2 --timeout 120

format: setup
	$(BIN)/ruff format --check src tests benchmarks examples scripts

lint: setup
	$(BIN)/ruff check src tests benchmarks examples scripts

types: setup
	$(BIN)/basedpyright

contracts: setup
	$(BIN)/lint-imports --no-logo --no-cache

storm: setup  ## Kill and freeze real processes for half an hour; a thousand times the seeds of the simulation take an hour
	CHAOS=long $(BIN)/python -m pytest tests/e2e/chaos -s -p no:cacheprovider
	$(BIN)/python -m tests.sim.world --seeds 50000 --jobs 2

mutants: setup  ## Plant defects, one after the other, and see that a test finds each
	$(BIN)/python scripts/mutation_check.py

bench: setup  ## Measure; writes benchmarks/results/<date>.json
	$(BIN)/python -m benchmarks.run

official-client: setup  ## The official flyte package in a virtual environment of its own (tests/e2e)
	@$(BIN)/python scripts/official_client.py

clean:  ## Remove the virtual environments and caches (not the data directory)
	rm -rf .venv .venv-official .pytest_cache .ruff_cache .hypothesis
