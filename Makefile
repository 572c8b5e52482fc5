# Two commands for a new user: `make run` and `make test`. Everything else hangs on the same .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

# Where the environment forbids it, every process would compile our modules anew, and the tests start hundreds.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help run test check format bench lock clean

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

$(READY): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(0 if (3, 11) <= sys.version_info < (3, 14) else "Python 3.11, 3.12 or 3.13 is needed; this is " + sys.version.split()[0] + ". Try: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

run: $(READY) ## bill one month of the built-in sandbox (invented data) and reconcile it
	@$(BIN)/ecgrid-billing run; status=$$?; if [ $$status -gt 1 ]; then exit $$status; fi

# Three processes for two cores: tests wait for servers and signals a third of their time.
test: $(READY) check ## style, types and tests
	@$(BIN)/python -m pytest -q -n 3 --dist loadfile --no-loadscope-reorder

check: $(READY) ## ruff and mypy (the import rule is a test)
	@$(BIN)/ruff check -q .
	@$(BIN)/ruff format -q --check .
	@$(BIN)/mypy

format: $(READY) ## rewrite the code in the house style
	@$(BIN)/ruff check -q --fix .
	@$(BIN)/ruff format -q .

bench: $(READY) ## print what the benchmarks in tests/bench measure
	@for bench in tests/bench/*.py; do echo "== $$bench"; $(BIN)/python $$bench; done

lock: ## write requirements.lock anew (wants uv)
	uv pip compile pyproject.toml --extra scale --extra dev --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-header --quiet --output-file requirements.lock

clean: ## remove the environment and the sandbox's data; what a service answered stays
	rm -rf $(VENV) data/sandbox
