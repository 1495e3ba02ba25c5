# Everything is set up on first use, in .venv, from the locked versions in requirements/.
#
#   make run     the daemon, on config.toml
#   make test    the tests
#   make lint    format, lint, types, import contracts
#   make check   the same, and the tests
#   make bench   measures ours and its peers, for some minutes; ARGS=finger a part of it,
#                ARGS="--rounds 1" in a hurry
#   make soak    full load for SECONDS, 3600 by itself, and what that leaves behind
#   make fuzz    odd input for every parser, FUZZ_SECONDS (600) each, JOBS (1) at once;
#                for one of them, or in two processes: make fuzz TARGET=xmlrpc, JOBS=2
#
# uv is used when it is there and is not required. PYTHON=python3.13 picks an
# interpreter, VENV=.venv-3.13 the place for its packages.

VENV ?= .venv
BIN  := $(VENV)/bin

# A benchmark is of ours with what its users install and no more, and the peers have an
# environment of their own. So has the fuzzer: Atheris is made for few Pythons and machines.
OURS_VENV  ?= .venv-ours
BENCH_VENV ?= .venv-bench
FUZZ_VENV  ?= .venv-fuzz
VENVS      := $(sort $(VENV) $(OURS_VENV) $(BENCH_VENV) $(FUZZ_VENV))

.PHONY: run test lint check bench format lock clean help

help:
	@sed -n 's/^#   //p' Makefile

run: $(VENV)/.run-ready
	@$(BIN)/trio-finger --config config.toml

test: $(VENV)/.dev-ready
	$(BIN)/python -m pytest $(ARGS)

lint: $(VENV)/.dev-ready
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/flake8 trio_finger tests
	$(BIN)/mypy
	$(BIN)/lint-imports

check: lint test

bench: $(VENV)/.dev-ready $(OURS_VENV)/.run-ready $(BENCH_VENV)/.bench-ready
	BENCH_OURS=$(OURS_VENV)/bin/trio-finger BENCH_PYTHON=$(BENCH_VENV)/bin/python \
	    $(BIN)/python -m bench $(ARGS)

SECONDS ?= 3600

.PHONY: soak
soak: $(VENV)/.dev-ready
	$(BIN)/python -m bench.soak $(SECONDS)

FUZZ_SECONDS ?= 600
JOBS         ?= 1

.PHONY: fuzz
fuzz: $(FUZZ_VENV)/.fuzz-ready
	$(FUZZ_VENV)/bin/python -m fuzz --seconds $(FUZZ_SECONDS) --jobs $(JOBS) $(TARGET)

format: $(VENV)/.dev-ready
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# Newer versions of what we depend on: needs uv, changes requirements/.
LOCK := uv pip compile --upgrade --universal --python-version 3.11 --generate-hashes \
            --no-header --no-emit-index-url --quiet
lock:
	$(LOCK) pyproject.toml -o requirements/run.txt
	$(LOCK) pyproject.toml --group dev -c requirements/run.txt -o requirements/dev.txt
	$(LOCK) bench/requirements.in -o requirements/bench.txt
	$(LOCK) pyproject.toml fuzz/requirements.in -c requirements/run.txt -o requirements/fuzz.txt

clean:
	rm -rf $(VENVS) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

$(VENVS:=/bin/python):
	@PYTHON='$(PYTHON)' sh scripts/make-venv $(@:/bin/python=)

$(VENVS:=/.run-ready): %/.run-ready: %/bin/python requirements/run.txt pyproject.toml
	@sh scripts/install $* requirements/run.txt
	@touch $@

$(VENV)/.dev-ready: $(BIN)/python requirements/dev.txt pyproject.toml
	@sh scripts/install $(VENV) requirements/dev.txt
	@touch $@ $(VENV)/.run-ready

$(BENCH_VENV)/.bench-ready: $(BENCH_VENV)/bin/python requirements/bench.txt
	@sh scripts/install $(BENCH_VENV) requirements/bench.txt
	@touch $@

$(FUZZ_VENV)/.fuzz-ready: $(FUZZ_VENV)/bin/python requirements/fuzz.txt pyproject.toml
	@sh scripts/install $(FUZZ_VENV) requirements/fuzz.txt
	@touch $@
