# make book: set up, train on the phantom, render the book.
# make test: set up, lint, run the tests in minutes.   make test-all: those that take long, too.
# make book PAIRS=real: train on the pairs found here and show them; such a book is for this machine alone.
# make book PAIRS=real TRAIN=no: show the committed reference runs and weights instead of training.
# make study STUDY=ablations: train a study's variants with SEEDS seeds each; stopped anywhere, it resumes.
# make serve: show the built book at http://localhost:8000/ until Ctrl-C.   make pdf: print it to dist/.
# make release: the book as zip and PDF, the package and their SHA-256 in dist/.   make wheel: the package alone.
# make codecheck: write the files of codecheck.yml again from the committed records, and print what differs.
# make fuzz CASES=10000: break files of every kind, kill a training at random moments; minutes.
# make notebooks: stamp the set-up cell and, once there is an address, launch links.
# make repository URL=https://github.com/OWNER/NAME: set the repository's address; URL=none takes it away.
# WDUALMINE_DATA=FOLDER make book PAIRS=real   takes that folder's pairs.   make book PRESET=smoke   is quicker still.

PYTHON ?= python3
PRESET ?= quick
TRAIN ?= yes
PAIRS ?= phantom
STUDY ?= ablations
SEEDS ?= 3
PORT ?= 8000
CASES ?= 10000
CORES ?= $(shell nproc 2>/dev/null || sysctl -n hw.ncpu 2>/dev/null || echo 2)
BIN := .venv/bin
HTML := book/_build/html/index.html
SNAKEMAKE = $(BIN)/snakemake --cores $(CORES) --quiet rules reason --rerun-incomplete --nolock

.DEFAULT_GOAL := help
.PHONY: help setup book study ablations serve pdf wheel release publishable codecheck notebooks repository test test-all fuzz lint lock clean

help:
	@sed -n 's/^# \(make .*\)/\1/p' Makefile

setup: .venv/.ready

.venv/.ready: requirements.lock pyproject.toml book/pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed: make setup PYTHON=python3.11"; exit 2; }
	@echo "==> Setting up .venv from requirements.lock (a few minutes the first time)"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --disable-pip-version-check -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e . -e book
	@touch $@

book: setup
	@echo "==> Building the book $(if $(filter no,$(TRAIN)),from the reference runs,with the $(PRESET) preset) on $(CORES) cores"
	@$(SNAKEMAKE) --config preset=$(PRESET) train=$(TRAIN) pairs=$(PAIRS)
	@echo "==> The book: $(CURDIR)/$(HTML)"

study: setup
	@echo "==> Training the study $(STUDY) with the $(PRESET) preset, $(SEEDS) seeds each"
	@$(SNAKEMAKE) study --config preset=$(PRESET) study=$(STUDY) seeds=$(SEEDS)
	@echo "==> The records: $(CURDIR)/build/studies/$(PRESET)"

ablations: study

serve: setup
	@test -f $(HTML) || { echo "There is no book yet: make book"; exit 2; }
	@echo "==> The book: http://localhost:$(PORT)/ (Ctrl-C ends it)"
	@$(BIN)/python -m http.server $(PORT) --bind 127.0.0.1 --directory $(dir $(HTML))

pdf: book
	@echo "==> Printing the book"
	@$(BIN)/python book/pdf.py dist/wdualmine-book.pdf

wheel: setup
	@rm -f dist/wdualmine*.whl dist/wdualmine-*.tar.gz
	@$(BIN)/python -m hatchling build -d dist > /dev/null
	@cd book && ../$(BIN)/python -m hatchling build -t wheel -d ../dist > /dev/null
	@ls dist/wdualmine*.whl dist/wdualmine-*.tar.gz

release: publishable pdf wheel
	@$(BIN)/python -c 'import shutil; shutil.make_archive("dist/wdualmine-book", "zip", "book/_build/html")'
	@cd dist && ../$(BIN)/python -c 'import glob, hashlib; \
	  [print(hashlib.sha256(open(f, "rb").read()).hexdigest(), "", f) for f in sorted(glob.glob("wdualmine*"))]' \
	  > SHA256SUMS && cat SHA256SUMS

publishable:
	@test "$(PAIRS)" = phantom || { echo "A release shows the phantom, whose license is known: make release, without PAIRS=$(PAIRS)"; exit 2; }

codecheck: setup
	@$(BIN)/wdualmine-book codecheck -o build/codecheck

notebooks: setup
	@$(BIN)/python notebooks/stamp.py

repository: setup
	@test -n "$(URL)" || { echo "Give the address: make repository URL=https://github.com/OWNER/NAME, or URL=none"; exit 2; }
	@$(BIN)/python notebooks/stamp.py --repository "$(URL)"

PYTEST = $(BIN)/python -m pytest -n $(CORES) --dist worksteal

test: lint
	@echo "==> Tests, but for those marked full: make test-all"
	@$(PYTEST) -m "not full"

test-all: lint
	@echo "==> All tests"
	@$(PYTEST) --hypothesis-profile=ci

fuzz: setup
	@$(BIN)/python tests/fuzz.py --cases $(CASES)

lint: setup
	@echo "==> Lint and types"
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

lock:
	@echo "==> Resolving pyproject.toml afresh"
	@rm -rf build/lock && $(PYTHON) -m venv build/lock
	@build/lock/bin/pip install --quiet 'torch==2.13.0' hatchling editables -e '.[book,test]'
	@{ echo '# Every package of the environment, pinned; made by `make lock` from pyproject.toml. Do not edit.'; \
	  build/lock/bin/pip list --format=freeze | grep -viE '^(wdualmine|pip|setuptools|nvidia.*|triton|cuda.*)==' | sed 's/+cpu$$//'; } \
	  > requirements.lock
	@rm -rf build/lock

clean:
	rm -rf build dist book/_build book/_generated book/runs .snakemake
