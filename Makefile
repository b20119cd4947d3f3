# make demo   the whole way on a bundled network, with the extra `torch` alone
# make test   the test suite: side by side what can share the machine, then one by one what measures it
# make long   the rest of it: the cases that take longest
# make quick  the core alone, between two edits: no engine of an extra, nothing of tests/slow.txt, nothing that measures
# make lint   formatting, lint and types
# make check  lint, then all tests
# make fuzz   damaged inputs for every reader; ARGS='--inputs 100000 --seed 7' takes hours
# make verify-docs   measure a sample of the docs' own tables again; ARGS=--all takes all of them
# make docs   the documentation as a site, in site/
# Each does all its own set-up in .venv; PYTHON=python3.12 chooses another interpreter.

PYTHON ?= python3
BIN := .venv/bin
# real data for the tests marked cifar10 and mirror; without it they are skipped
export RESZOO_TEST_CIFAR10 ?= $(abspath $(wildcard ../shared/data/cifar10))
export RESZOO_TEST_MIRROR ?= $(abspath $(wildcard ../shared/data/mirror))

SIDE_BY_SIDE := --numprocesses=logical --maxprocesses=8 --dist=worksteal

.PHONY: verify-docs demo test long quick slow lint check docs format clean fuzz

demo: .venv/core
	@PATH="$(abspath $(BIN)):$$PATH" sh scripts/demo.sh

# pytest exits with 5 where no test is selected: of one pass that is no failure, of both it is
test: CASES := --long=without
long: CASES := --long=only
test long: .venv/dev
	@$(BIN)/pytest $(SIDE_BY_SIDE) --machine=shared $(CASES) $(ARGS); shared=$$?; \
	$(BIN)/pytest --machine=alone $(CASES) $(ARGS); alone=$$?; \
	case $$shared$$alone in 00|05|50) ;; *) exit 1;; esac

quick: .venv/dev
	$(BIN)/pytest $(SIDE_BY_SIDE) --quick $(ARGS)

slow: .venv/dev  # write tests/slow.txt anew
	$(BIN)/pytest $(SIDE_BY_SIDE) --write-slow $(ARGS)

lint: .venv/dev .venv/docs  # the site's scripts are checked against what they import
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/mypy --follow-imports=silent scripts/*.py
	$(BIN)/basedpyright --pythonpath $(BIN)/python

check: lint test long

fuzz: .venv/dev
	$(BIN)/python scripts/fuzz.py $(ARGS)

verify-docs: .venv/dev
	$(BIN)/python scripts/verify_docs.py $(ARGS)

docs: .venv/docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

format: .venv/dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf .venv build site *.egg-info src/*.egg-info

.venv/made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "reszoo needs Python 3.11 or newer; `$(PYTHON) --version 2>&1` is older. Try: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -m venv .venv || \
	  { echo "python3 cannot make virtual environments here. On Debian: apt-get install python3-venv"; exit 1; }
	@touch $@

.venv/core: .venv/made pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[torch]'
	@touch $@

.venv/dev: .venv/core
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,all]'
	@touch $@

.venv/docs: .venv/core
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[docs]'
	@touch $@
