# make book: set up, train on the data found, render the book.   make test: set up, run the tests.
# make ablations: train the variants of Tables 4 and 5 with SEEDS seeds each; stopped anywhere, it resumes.
# WDUALMINE_DATA=FOLDER make book   trains on that folder's pairs.   make book PRESET=smoke   is quicker still.

PYTHON ?= python3
PRESET ?= quick
SEEDS ?= 3
CORES ?= $(shell nproc 2>/dev/null || sysctl -n hw.ncpu 2>/dev/null || echo 2)
BIN := .venv/bin
HTML := book/_build/html/index.html

.DEFAULT_GOAL := help
.PHONY: help setup book ablations test lint lock clean

help:
	@sed -n 's/^# \(make .*\)/\1/p' Makefile

setup: .venv/.ready

.venv/.ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed: make setup PYTHON=python3.11"; exit 2; }
	@echo "==> Setting up .venv from requirements.lock (a few minutes the first time)"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --disable-pip-version-check -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

book: setup
	@echo "==> Building the book with the $(PRESET) preset on $(CORES) cores"
	@$(BIN)/snakemake --cores $(CORES) --quiet rules reason --rerun-incomplete --nolock --config preset=$(PRESET)
	@echo "==> The book: $(CURDIR)/$(HTML)"

ablations: setup
	@echo "==> Training every variant of Tables 4 and 5 with the $(PRESET) preset, $(SEEDS) seeds each"
	@$(BIN)/snakemake ablations --cores $(CORES) --quiet rules reason --rerun-incomplete --nolock \
	  --config preset=$(PRESET) seeds=$(SEEDS)
	@echo "==> The records: $(CURDIR)/build/ablations/$(PRESET)"

test: setup
	@echo "==> Lint and types"
	@$(MAKE) --no-print-directory lint
	@echo "==> Tests"
	@$(BIN)/python -m pytest

lint: setup
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

lock:
	@echo "==> Resolving pyproject.toml afresh"
	@rm -rf build/lock && $(PYTHON) -m venv build/lock
	@build/lock/bin/pip install --quiet 'torch==2.13.0' hatchling editables -e '.[book,test]'
	@{ echo '# Every package of the environment, pinned; made by `make lock` from pyproject.toml. Do not edit.'; \
	  build/lock/bin/pip list --format=freeze | grep -viE '^(wdualmine|pip|setuptools|nvidia.*|triton|cuda.*)==' | sed 's/+cpu$$//'; } \
	  > requirements.lock
	@rm -rf build/lock

clean:
	rm -rf build book/_build book/runs .snakemake
