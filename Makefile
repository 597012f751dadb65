# One word for each thing that is done here. Needs make and Python 3.11 or newer; the rest is fetched, by hash.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
TESTS ?= tests
JOBS ?= 3
SPARKPLUG := tests/collectors/mqtt/sparkplug_peer

# Tests start hundreds of programs of ours: none of them shall compile all of it anew, whatever the machine says.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help run demo test faults fleet bench tools lint types layers docs pages wheel lock clean

help:  ## say what each word does
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 10

run: .venv/run  ## hear traps, beats and mail on this machine, with embedded defaults
	@$(BIN)/tocsin run

demo: .venv/run  ## the same with a simulated fleet
	@$(BIN)/tocsin demo

test: .venv/dev .venv/sparkplug tools lint types layers pages  ## everything that must hold: tools, style, types, layers, documentation, tests
	$(BIN)/pytest -n $(JOBS) --dist worksteal $(TESTS)

faults: .venv/dev tools  ## simulated crashes, real kills and power cuts; ends with one line of JSON
	@$(BIN)/python -m tests.faults

bench: .venv/dev tools  ## how fast it is, beside its peers; `make bench-traps` and the like for a part, BENCH="--repeats 3" for less
	@$(BIN)/python -m tests.bench $(BENCH)

bench-%: .venv/dev tools
	@$(BIN)/python -m tests.bench $(BENCH) $*

fleet: .venv/dev  ## a simulated fleet of 10,000 stations tells eleven stories; ends with one line of JSON
	@$(BIN)/python -m tests.fleet

tools:  ## Debian's tools that some tests run
	@.ci/tools

lint: .venv/dev  ## style
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: .venv/dev  ## types
	$(BIN)/mypy

layers: .venv/dev  ## who may import whom
	$(BIN)/lint-imports

docs: .venv/dev  ## write the pages that are made from the code, then build the documentation
	$(BIN)/python -m gateway.config.reference
	$(BIN)/python -m gateway.cli.reference
	$(BIN)/python docs/states.py
	$(BIN)/python docs/growth.py
	@$(MAKE) --no-print-directory pages

pages: .venv/dev  ## documentation; warnings are errors
	$(BIN)/sphinx-build -W --keep-going -q -b html docs docs/_build/html

wheel: .venv/dev  ## the wheel, in dist/
	$(BIN)/python -m build --no-isolation --wheel

lock: .venv/dev  ## resolve all dependencies anew (needs uv)
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
		--extra broker --group build pyproject.toml -o requirements.lock
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
		--extra broker --group build --group test --group lint --group docs -c requirements.lock pyproject.toml \
		-o requirements-dev.lock
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
		$(SPARKPLUG).in -o $(SPARKPLUG).lock

clean:  ## forget the environment and everything made
	rm -rf .venv dist build docs/_build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage

# The environment: nothing is fetched that the lock files do not name with its hash. They are whole, so pip resolves
# nothing (--no-deps): it would look for newer versions of what is named with an extra, and refuse them.
.venv/bin/python:
	@.ci/venv $(PYTHON)

.venv/run: requirements.lock pyproject.toml | .venv/bin/python
	$(PIP) install --require-hashes --no-deps -r requirements.lock
	$(PIP) install --no-deps --no-build-isolation --no-index -e .
	@touch $@

.venv/dev: requirements-dev.lock .venv/run
	$(PIP) install --require-hashes --no-deps -r requirements-dev.lock
	$(PIP) check
	@touch $@

# The peer of the tests of Sparkplug wants another paho than ours. Where it cannot be had, its test is skipped.
.venv/sparkplug: $(SPARKPLUG).lock | .venv/bin/python
	@.ci/peer $@ $<
