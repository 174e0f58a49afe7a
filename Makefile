# `make quickstart` and `make test` need python3 (3.11 or later) and make; the rest comes into .venv by itself.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: quickstart test quicktest lint format docs bench gpu tpu zoo quality clean

# A stamp for each set of extras, remade when pyproject.toml changes.
$(VENV)/%.installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("jaxcolor needs Python 3.11 or later; say which: make PYTHON=python3.12 …" if sys.version_info < (3, 11) else 0)'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing jaxcolor[$*] into $(VENV), for $$($(BIN)/python --version): about $(FETCH) to download"
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --editable '.[$*]'
	touch $@

quickstart zoo: FETCH := 300 MB
quickstart: $(VENV)/train.installed
	$(BIN)/python -m jaxcolor.quickstart colorize
	$(BIN)/python -m jaxcolor.main --config=configs/quickstart.py
	$(BIN)/python -m jaxcolor.quickstart compare

# Everything: what the tests use, and what they would skip without.
test lint format: FETCH := 900 MB
test: $(VENV)/train,serve,export,heic,test.installed
	$(BIN)/python -m pytest --numprocesses=2 --dist=worksteal --durations=15

# A part for a second Python, in another VENV: flags, colour, networks, the command line, one training, a server.
quicktest: FETCH := 400 MB
quicktest: $(VENV)/train,serve,test.installed
	$(BIN)/python -m pytest --numprocesses=2 --dist=worksteal --durations=5 \
		tests/test_xla_flags.py tests/test_cli.py tests/color tests/models/test_layers.py tests/models/test_models.py \
		tests/evaluation tests/training/test_update.py tests/inference/test_colorizer.py tests/server/test_app.py
	$(BIN)/jaxcolor train quickstart:smoke --workdir=$(VENV)/smoke
	$(BIN)/jaxcolor colorize $(VENV)/smoke/samples --model $(VENV)/smoke --output $(VENV)/colored

lint: $(VENV)/train,serve,export,heic,test.installed
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

format: $(VENV)/train,serve,export,heic,test.installed
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

# A site in site/ that needs no network to be read; any warning is an error.
docs: FETCH := 300 MB
docs: $(VENV)/docs.installed
	$(BIN)/python -m mkdocs build --strict --quiet

# The table of docs/speed.md. FOLDER: photographs, for those of 128 px. OPTIONS: see the script.
bench: FETCH := 2 GB
bench: $(VENV)/train,bench.installed
	$(BIN)/python tests/benchmarks/bench.py $(if $(FOLDER),--folder='$(FOLDER)') $(OPTIONS)

# OPTIONS: configs, and what tests/benchmarks/tpu.py and gpu.py take. Their compilers stay outside of the environment, where
# JAX would look for a TPU or a GPU at every start.
LIBTPU := from importlib.metadata import requires; print(next(r.split(";")[0] for r in requires("jax") if r.startswith("libtpu")))
tpu gpu: FETCH := 500 MB
tpu: $(VENV)/train.installed $(VENV)/tpu
	PYTHONPATH=$(VENV)/tpu $(BIN)/python tests/benchmarks/tpu.py $(OPTIONS)

$(VENV)/tpu: $(VENV)/train.installed
	$(BIN)/pip install --no-deps --target $@ "$$($(BIN)/python -c '$(LIBTPU)')"
	touch $@

CUDA := from importlib.metadata import requires; print(next(r.split(";")[0][17:] for r in requires("jax") if r.startswith("jax-cuda13-plugin<")))
gpu: $(VENV)/train.installed $(VENV)/gpu
	PYTHONPATH=$(VENV)/gpu $(BIN)/python tests/benchmarks/gpu.py $(OPTIONS)

$(VENV)/gpu: $(VENV)/train.installed
	plugin="$$($(BIN)/python -c '$(CUDA)')" && \
		$(BIN)/pip install --no-deps --target $@ "jax-cuda13-plugin$$plugin" "jax-cuda13-pjrt$$plugin"
	touch $@

zoo: $(VENV)/train.installed
	$(BIN)/python tests/benchmarks/zoo.py $(if $(FOLDER),--folder='$(FOLDER)')

# FOLDER: colour photographs. MODEL: runs, files or names; else the model that comes along. OPTIONS: see the script.
# TORCH=MINUTES TRAIN=FOLDER trains a pix2pix in PyTorch beside ours.
comma := ,
quality: FETCH := $(if $(TORCH),2 GB,300 MB)
quality: $(VENV)/train,pretrained$(if $(TORCH),$(comma)bench).installed
	$(BIN)/python tests/benchmarks/quality.py $(FOLDER) $(if $(MODEL),--model $(MODEL)) \
		$(if $(TORCH),--torch $(TORCH) --train '$(TRAIN)') $(OPTIONS)

clean:
	rm -rf $(VENV) build dist site .mypy_cache .pytest_cache .ruff_cache
