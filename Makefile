# `make quickstart` and `make test` need python3 (3.11 or later) and make; the rest comes into .venv by itself.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: quickstart test lint format bench zoo clean

# A stamp for each set of extras, remade when pyproject.toml changes.
$(VENV)/%.installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("jaxcolor needs Python 3.11 or later; say which: make PYTHON=python3.12 …" if sys.version_info < (3, 11) else 0)'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[$*]'
	touch $@

quickstart: $(VENV)/train.installed
	$(BIN)/python -m jaxcolor.main --config=configs/quickstart.py

# Everything: what the tests use, and what they would skip without.
test: $(VENV)/train,serve,export,heic,test.installed
	$(BIN)/python -m pytest --numprocesses=2 --dist=worksteal --durations=15

lint: $(VENV)/train,serve,export,heic,test.installed
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

format: $(VENV)/train,serve,export,heic,test.installed
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: $(VENV)/train,bench.installed
	$(BIN)/python tests/benchmarks/gan_step.py
	$(BIN)/python tests/benchmarks/input_pipeline.py $(FOLDER)

zoo: $(VENV)/train.installed
	$(BIN)/python tests/benchmarks/zoo.py $(if $(FOLDER),--folder='$(FOLDER)')

clean:
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache
