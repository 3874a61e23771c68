# Everything runs from .venv, which each target makes first; with nothing changed that takes no time and no network.

PYTHON ?=
PYTHON3 := $(or $(shell command -v python3),$(PYTHON))
NO_PYTHON := echo "paddock setup: Python 3.11 or newer is needed: sudo apt install python3 python3-venv" >&2; exit 1;
SETUP := $(if $(PYTHON3),"$(PYTHON3)" tools/setup.py $(if $(PYTHON),--python "$(PYTHON)"),$(NO_PYTHON))
BIN := .venv/bin
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help setup run up test check format bench sim docs lock

help: ## this list
	@sed -n 's/^\([a-z]*\):[^#]*## \(.*\)/\1|\2/p' Makefile | while IFS='|' read -r name text; do printf '  make %-8s %s\n' "$$name" "$$text"; done

setup: ## make .venv from the lock files and put `paddock` at .venv/bin/paddock
	@$(SETUP)

run: setup ## the demo: a real function on three managed instances, with a report (about a minute)
	@$(BIN)/paddock demo $(ARGS)

up: setup ## an endpoint that AWS tools take for AWS Lambda, until Ctrl-C
	@$(BIN)/paddock up $(ARGS)

test: ## all tests; some: make test ARGS="tests/core -k scaling"
	@$(SETUP) --dev
	@$(BIN)/python -m pytest $(ARGS)

check: ## format, lint, types, import contracts, tidiness: seconds
	@$(SETUP) --dev
	@$(BIN)/ruff format --check --quiet
	@$(BIN)/ruff check --quiet
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/python -m pytest -q tests/tidy -m "not slow"

format: ## format the code and mend what the linter can
	@$(SETUP) --dev
	@$(BIN)/ruff format --quiet
	@$(BIN)/ruff check --fix

bench: setup ## measure this machine: ratios to the limit, first answer, memory
	@$(BIN)/python -m bench $(ARGS)

sim: setup ## simulate fleets with faults, by seed: make sim SEED=7, make sim ARGS="--seeds 50 --whole" (or --on-demand)
	@$(BIN)/python -m paddock.simulator $(if $(SEED),--seed $(SEED),--seeds 200) $(ARGS)

docs: ## write again the pages that are made from the code
	@$(SETUP) --dev
	@$(BIN)/python tools/build_reference.py $(ARGS)
	@$(BIN)/python tools/plot_scaling.py $(ARGS)

lock: ## resolve requirements/*.lock again; newest of all: make lock ARGS=--upgrade
	@$(SETUP)
	@$(BIN)/python tools/lock.py $(ARGS)
