# make demo   the whole way on a bundled network, with the core alone
# make test   the test suite
# make lint   formatting, lint and types
# make check  lint, then test
# Each does all its own set-up in .venv; PYTHON=python3.12 chooses another interpreter.

PYTHON ?= python3
BIN := .venv/bin
# real data for the tests marked cifar10 and mirror; without it they are skipped
export RESZOO_TEST_CIFAR10 ?= $(abspath $(wildcard ../shared/data/cifar10))
export RESZOO_TEST_MIRROR ?= $(abspath $(wildcard ../shared/data/mirror))

.PHONY: demo test lint check format clean

demo: .venv/core
	@PATH="$(abspath $(BIN)):$$PATH" sh scripts/demo.sh

test: .venv/dev
	$(BIN)/pytest $(ARGS)

lint: .venv/dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

check: lint test

format: .venv/dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf .venv build *.egg-info src/*.egg-info

.venv/made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "reszoo needs Python 3.11 or newer; `$(PYTHON) --version 2>&1` is older. Try: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -m venv .venv || \
	  { echo "python3 cannot make virtual environments here. On Debian: apt-get install python3-venv"; exit 1; }
	@touch $@

.venv/core: .venv/made pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

.venv/dev: .venv/core
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,all]'
	@touch $@
