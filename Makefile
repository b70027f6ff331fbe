# `make` alone says what there is. Every target does its own set-up; nothing but Python 3.11+ with venv is needed.

VENV := .venv
RUN := $(VENV)/bin/python -m

# The first Python that is new enough, `python3` before the others; or the one you name: make PYTHON=/usr/bin/python3.13
PYTHON ?= $(shell for name in python3 python3.13 python3.12 python3.11; do \
	$$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$name && break; done)

# A stamp bears the checksum of the lock that was installed: another lock (a pull, another branch), another stamp.
checksum = $(shell cksum < $(1) | tr ' ' '-')
UP_STAMP := $(VENV)/.up-$(call checksum,requirements/up.lock).stamp
DEV_STAMP := $(VENV)/.dev-$(call checksum,requirements/dev.lock).stamp
# What the tests need holds all that the stack needs.
UP_READY := $(firstword $(wildcard $(DEV_STAMP)) $(UP_STAMP))

.DEFAULT_GOAL := help
.PHONY: help setup up demo test mutants chaos bench lint format types lock clean

help:  ## What there is
	@grep -hE '^[a-z]+:.*##' Makefile | awk -F ':.*## *' '{ printf "  make %-8s %s\n", $$1, $$2 }'

up: | $(UP_READY)  ## Start everything on this machine; Ctrl-C stops it (VERBOSE=1 shows all output)
	@exec $(RUN) worker up

demo: | $(UP_READY)  ## Play a booking, a call at once and a disclosure case, whole, against the running stack
	@exec $(RUN) worker demo

setup: | $(DEV_STAMP)  ## Install what the tests need (`make up` needs less, and installs it itself)

test: | $(DEV_STAMP)  ## Run all tests (ARGS='-k code' for some of them)
	$(RUN) pytest -n 3 --dist loadfile --no-loadscope-reorder $(ARGS)

mutants: | $(DEV_STAMP)  ## Remove the rule of each clause and see its tests notice (ARGS='B20 B35' for some of them)
	@$(RUN) tests.mutants $(ARGS)

chaos: | $(DEV_STAMP)  ## Kill, freeze, lie: ten minutes of bookings, five of 300 cases (CHAOS_SECONDS, CHAOS_CASE_SECONDS, CHAOS_SEED)
	@CHAOS_SECONDS='$(CHAOS_SECONDS)' CHAOS_SEED='$(CHAOS_SEED)' $(RUN) tests.chaos.storm $(ARGS)
	@CHAOS_CASE_SECONDS='$(CHAOS_CASE_SECONDS)' CHAOS_SEED='$(CHAOS_SEED)' $(RUN) tests.chaos.case_storm

bench: | $(DEV_STAMP)  ## Measure speed beside a bare Celery no-op, in eight minutes (BENCH_FULL=1: all of it)
	$(RUN) bench

lint: types | $(DEV_STAMP)  ## Check rules, layout and types
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check

types: | $(DEV_STAMP)
	$(RUN) mypy

format: | $(DEV_STAMP)  ## Lay out the code and mend what can be mended
	$(VENV)/bin/ruff check --fix
	$(VENV)/bin/ruff format

# The second and third are bound to the first, so that all three name the same versions.
COMPILE = $(VENV)/bin/uv pip compile --quiet --universal --generate-hashes --no-header --no-emit-index-url \
	--no-emit-find-links --python-version 3.11 $(ARGS) pyproject.toml
lock: | $(DEV_STAMP)  ## Compile requirements/*.lock from pyproject.toml (ARGS=--upgrade for newer versions)
	$(RUN) pip install --quiet uv
	$(COMPILE) --group dev --output-file requirements/dev.lock
	$(COMPILE) --group up --constraints requirements/dev.lock --output-file requirements/up.lock
	$(COMPILE) --constraints requirements/dev.lock --output-file requirements/runtime.lock

clean:  ## Remove the environment and all caches; the data in var/ stay
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -not -path './var/*' -prune -exec rm -rf {} +

$(UP_STAMP): LOCK := requirements/up.lock
$(DEV_STAMP): LOCK := requirements/dev.lock
$(UP_STAMP) $(DEV_STAMP):
	@$(or $(PYTHON),false) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Python 3.11 or later was not found (python3 is: $$(python3 --version 2>&1))."; \
		echo "On Debian 12 or later: apt-get install python3 python3-venv. Or name one: make PYTHON=/path/to/python3"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$(PYTHON) cannot make virtual environments. On Debian: apt-get install python3-venv"; exit 1; }
	@$(RUN) pip --version >/dev/null 2>&1 || { echo "Making $(VENV) with $$($(PYTHON) --version) …"; $(PYTHON) -m venv --clear $(VENV); }
	@echo "Installing the $$(grep -c '==' $(LOCK)) packages of $(LOCK); this takes a minute or two the first time …"
	@rm -f $(VENV)/.*.stamp
	@$(RUN) pip install --disable-pip-version-check --no-deps --require-hashes --requirement $(LOCK)
	@touch $@
