# What README names. Everything happens in .venv, which the first target that needs it makes.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO := demo-out

export PYTHONDONTWRITEBYTECODE :=
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test lint bench format pins clean

# --- the environment -------------------------------------------------------------------------------------
# uv reads pyproject.toml's build constraint, without which no VDK package can be built.
$(VENV)/.made: pyproject.toml constraints.txt $(wildcard connectors/*/pyproject.toml)
	$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if (3, 10) <= v < (3, 14) else f"Python 3.10 to 3.13 is needed, not {v.major}.{v.minor}; say make PYTHON=python3.11")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet 'uv>=0.7,<1'
	$(BIN)/uv pip install --quiet --python $(BIN)/python --constraint constraints.txt --compile-bytecode \
		--editable '.[dev,vdk]' $(foreach connector,$(wildcard connectors/source-*),--editable $(connector)) --group test
	touch $@

# --- what a newcomer runs ----------------------------------------------------------------------------------
# LIVE=1 with GITHUB_TOKEN reads api.github.com instead of the stand-in.
demo: $(VENV)/.made
	$(BIN)/python -m docs.examples.demo --out $(DEMO) $(if $(LIVE),--live)

test: $(VENV)/.made
	$(BIN)/python -m pytest -n 2 --dist worksteal

# --- what a developer runs ---------------------------------------------------------------------------------
lint: $(VENV)/.made
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.made
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.made
	$(BIN)/python -m tests.benchmarks $(BENCH)

# The versions of everything, for all supported Pythons, without the registry's name.
pins: $(VENV)/.made
	$(BIN)/uv pip compile --quiet --universal --python-version 3.10 --no-header --no-annotate --no-emit-index-url \
		--no-emit-find-links --extra dev --extra vdk --group test pyproject.toml -o constraints.txt

clean:
	rm -rf $(VENV) .venv-cdk .venv-foreign .venv-peers $(DEMO) .pytest_cache .mypy_cache .ruff_cache .hypothesis
