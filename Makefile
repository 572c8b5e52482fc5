# Two commands for a new user: `make run` and `make test`. Everything else hangs on the same .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
TESTS_READY := $(VENV)/.tests-ready
# A lock names everything, so nothing is left to resolve; some releases of pip would, and ask for what has no hash.
PIP := $(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check --no-deps

# How many processes run the tests. Three for two cores: tests wait for servers and signals a third of their time.
PROCESSES := 3
PYTEST := $(BIN)/python -m pytest -q -n $(PROCESSES) --dist loadfile --no-loadscope-reorder

# Where the environment forbids it, every process would compile our modules anew, and the tests start hundreds.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help run test soak check format bench lock clean

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if (3, 11) <= sys.version_info < (3, 14) else "Python 3.11, 3.12 or 3.13 is needed; this is " + sys.version.split()[0] + ". Try: make PYTHON=python3.12")'
	@$(PYTHON) -m venv $(VENV)
	@echo "installing what a run needs into $(VENV)" >&2
	@$(PIP) --require-hashes -r requirements.lock
	@$(PIP) --no-build-isolation -e .
	@touch $@

$(TESTS_READY): $(READY) requirements-dev.lock
	@echo "adding what the tests need" >&2
	@$(PIP) --require-hashes -r requirements-dev.lock
	@touch $@

run: $(READY) ## bill one month of the built-in sandbox (invented data) and reconcile it
	@$(BIN)/ecgrid-billing run; status=$$?; if [ $$status -gt 1 ]; then exit $$status; fi

test: check ## style, types and tests, in PROCESSES=3 processes
	@$(PYTEST)

# SHARE=ci leaves out what looks for new examples (20 times as many of every property test, others each time), and what a
# data base of others decides.
SHARE := all
soak: $(TESTS_READY) ## the tests that take minutes by nature, and an hour of new examples; SHARE=ci: without the latter
ifeq ($(SHARE),ci)
	@$(PYTEST) -m '(soak or long) and not audit'
else
	@HYPOTHESIS_SEARCH=20 $(PYTEST) -m 'soak or long or hypothesis'
endif

check: $(TESTS_READY) ## ruff, mypy, the SQL's style, named dependencies and who may import whom
	@$(BIN)/ruff check -q .
	@$(BIN)/ruff format -q --check .
	@$(BIN)/sqruff lint --config .sqruff sql > $(VENV)/sqruff.txt 2>&1 || { cat $(VENV)/sqruff.txt; exit 1; }
	@$(BIN)/deptry flows transforms > $(VENV)/deptry.txt 2>&1 || { cat $(VENV)/deptry.txt; exit 1; }
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo --no-cache > $(VENV)/imports.txt || { cat $(VENV)/imports.txt; exit 1; }

format: $(TESTS_READY) ## rewrite the code in the house style
	@$(BIN)/ruff check -q --fix .
	@$(BIN)/ruff format -q .
	@$(BIN)/sqruff fix --config .sqruff sql > /dev/null 2>&1 || true # it leaves what it cannot parse, and ends with 1

bench: $(TESTS_READY) ## print what the benchmarks in tests/bench measure
	@for bench in tests/bench/*.py; do echo "== $$bench"; $(BIN)/python $$bench; done

# What is locked stays where it still fits; delete the lock files first to take the newest of everything.
# The runtime lock is cut out of the development lock, so that both name the same versions.
LOCK := $(VENV)/lock/bin/uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes \
  --no-emit-index-url --no-header --quiet

lock: ## write requirements.lock (what a run needs) and requirements-dev.lock (and its tests) anew
	$(PYTHON) -m venv $(VENV)/lock
	$(VENV)/lock/bin/python -m pip install --quiet --quiet --disable-pip-version-check 'uv>=0.9'
	$(LOCK) --extra scale --group dev --output-file requirements-dev.lock >/dev/null
	$(LOCK) --group build --constraint requirements-dev.lock --output-file requirements.lock >/dev/null

clean: ## remove the environment and the sandbox's data; what a service answered stays
	rm -rf $(VENV) data/sandbox
