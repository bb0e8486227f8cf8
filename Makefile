# Everything from a fresh checkout: each target first makes the environment that it needs, once.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --disable-pip-version-check --no-input --quiet --constraint constraints.txt
REQUIREMENTS := pyproject.toml setup.py constraints.txt
SAMPLE := Resources/SampleCase
DEMO := demo
# What Qt (PySide6) needs of the system, by the names of Debian and Ubuntu.
SYSTEM_LIBRARIES := libegl1 libgl1 libxkbcommon0 libfontconfig1 libdbus-1-3 libglib2.0-0
# Other people's judges of what MedSynth writes: dciodvfy, of DICOM objects. Without them their tests are skipped.
TEST_TOOLS := dicom3tools

# Two targets must not install into the same environment at once.
.NOTPARALLEL:
.PHONY: help demo test lint clean system-libraries test-tools

help:
	@echo "make demo    synthetic PET of the sample CT, with figure and scores, into $(DEMO)/"
	@echo "make test    all tests"
	@echo "make lint    ruff and mypy"
	@echo "make clean   remove what make has made: $(VENV), $(DEMO), build, caches"
	@echo "Another Python: make PYTHON=python3.12 ..."

demo: $(VENV)/.ready-demo
	@mkdir -p $(DEMO)
	$(BIN)/medsynth synthesize $(SAMPLE)/ct.nii.gz $(DEMO)/synthetic_pet.nii.gz --model ct-to-pet
	$(BIN)/medsynth evaluate $(DEMO)/synthetic_pet.nii.gz $(SAMPLE)/pet.nii.gz --lesion $(SAMPLE)/lesion.nii.gz \
		--source $(SAMPLE)/ct.nii.gz --figure $(DEMO)/figure.png --unit SUVbw --json > $(DEMO)/metrics.json
	@cat $(DEMO)/metrics.json
	@echo "Synthetic PET: $(DEMO)/synthetic_pet.nii.gz"
	@echo "Figure:        $(DEMO)/figure.png"
	@echo "Scores:        $(DEMO)/metrics.json"

test: $(VENV)/.ready-dev
	@$(BIN)/python -c "import PySide6.QtWidgets" 2>/dev/null || { \
		$(BIN)/python -c "import PySide6.QtWidgets" 2>&1 | tail -n 1; \
		echo "Qt misses libraries of the system; on Debian or Ubuntu, as root: apt-get install $(SYSTEM_LIBRARIES)"; \
		exit 1; } >&2
	$(BIN)/python -m pytest

lint: $(VENV)/.ready-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

clean:
	rm -rf $(VENV) $(DEMO) build .pytest_cache .mypy_cache .ruff_cache *.egg-info
	find medsynth_core MedSynth MedSynthTrain Testing -name __pycache__ -type d -prune -exec rm -rf {} +

# For scripts: the names of the system's packages that the tests need, and of those that let more of them run.
system-libraries:
	@echo $(SYSTEM_LIBRARIES)

test-tools:
	@echo $(TEST_TOOLS)

$(VENV)/.ready-demo: $(VENV)/.torch $(REQUIREMENTS)
	$(INSTALL) --editable ".[cli,figures]"
	@touch $@

$(VENV)/.ready-dev: $(VENV)/.torch $(REQUIREMENTS)
	$(INSTALL) --editable ".[dev]"
	@touch $@

# Before all that needs it, which would else choose the version.
$(VENV)/.torch: $(VENV)/.python constraints.txt
	@echo "Installing into $(VENV); the first time takes some minutes."
	$(INSTALL) torch
	@touch $@

$(VENV)/.python:
	@$(PYTHON) -c "import sys; sys.exit(not (3, 10) <= sys.version_info[:2] < (3, 14))" || { \
		echo "MedSynth needs Python 3.10 to 3.13 and '$(PYTHON)' is none; say which to use: make PYTHON=python3.12 ..."; \
		exit 1; } >&2
	@$(PYTHON) -m venv $(VENV) || { \
		echo "Python could not make an environment; on Debian or Ubuntu, as root: apt-get install python3-venv"; \
		exit 1; } >&2
	@touch $@
