# Everything works from a fresh checkout: each target first creates the environment that it needs, once.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --disable-pip-version-check --no-input --quiet --constraint constraints.txt
REQUIREMENTS := pyproject.toml setup.py constraints.txt
SAMPLE := Resources/SampleCase
DEMO := demo
# System libraries that Qt (PySide6) needs, by their names in Debian and Ubuntu.
SYSTEM_LIBRARIES := libegl1 libgl1 libxkbcommon0 libfontconfig1 libdbus-1-3 libglib2.0-0
# External readers of the files that MedSynth writes: dciodvfy and dcm2niix for DICOM. Without them the tests that use
# them are skipped.
TEST_TOOLS := dicom3tools dcm2niix
# One process per core; all tests of a file run in the same process, because they share fixtures that are slow to
# make. Each process takes 1 GB, so there are at most four.
PYTEST := $(BIN)/python -m pytest --numprocesses logical --maxprocesses 4 --dist loadfile

# Two targets must not install into the same environment at the same time.
.NOTPARALLEL:
.PHONY: help demo test test-fast fuzz qt lint clean system-libraries test-tools

help:
	@echo "make demo       the sample case through low-dose-pet and ct-to-pet, with figures and scores, into $(DEMO)/"
	@echo "make test       all tests, on all cores"
	@echo "make test-fast  the tests that are not slow: no trainings, no whole syntheses, no other processes, no builds"
	@echo "make fuzz       ten minutes of mutated files (SEED=1 for others)"
	@echo "make lint       ruff and mypy"
	@echo "make clean      remove everything that make created: $(VENV), $(DEMO), build, caches"
	@echo "Another Python: make PYTHON=python3.12 ..."

# Full-dose PET from 1/20 of the sample PET's dose, then PET from the sample CT alone.
demo: $(VENV)/.ready-demo
	@mkdir -p $(DEMO)
	$(BIN)/medsynth simulate-dose $(SAMPLE)/pet.nii.gz $(DEMO)/low_dose.nii.gz --factor 20 --ct $(SAMPLE)/ct.nii.gz \
		--unit SUVbw --full-dose $(DEMO)/full_dose.nii.gz
	$(BIN)/medsynth synthesize $(DEMO)/low_dose.nii.gz $(DEMO)/recovered.nii.gz --model low-dose-pet
	$(BIN)/medsynth synthesize $(SAMPLE)/ct.nii.gz $(DEMO)/synthetic_pet.nii.gz --model ct-to-pet --unit HU
	$(BIN)/medsynth evaluate $(DEMO)/low_dose.nii.gz $(DEMO)/full_dose.nii.gz --lesion $(SAMPLE)/lesion.nii.gz \
		--json > $(DEMO)/metrics-low-dose.json
	$(BIN)/medsynth evaluate $(DEMO)/recovered.nii.gz $(DEMO)/full_dose.nii.gz --lesion $(SAMPLE)/lesion.nii.gz \
		--source $(DEMO)/low_dose.nii.gz --figure $(DEMO)/figure-low-dose.png --json > $(DEMO)/metrics-recovered.json
	$(BIN)/medsynth evaluate $(DEMO)/synthetic_pet.nii.gz $(SAMPLE)/pet.nii.gz --lesion $(SAMPLE)/lesion.nii.gz \
		--source $(SAMPLE)/ct.nii.gz --figure $(DEMO)/figure-ct-to-pet.png --unit SUVbw --json > $(DEMO)/metrics-ct-to-pet.json
	@$(BIN)/python Testing/demo.py $(DEMO)

test: qt
	$(PYTEST)

test-fast: qt
	$(PYTEST) -m "not slow"

# Ten minutes of mutated files, each in a process of its own; SEED chooses others.
SEED ?= 0
fuzz: $(VENV)/.ready-dev
	PYTHONPATH=. OMP_NUM_THREADS=1 $(BIN)/python Testing/fuzz --seed $(SEED) --seconds 600

qt: $(VENV)/.ready-dev
	@$(BIN)/python -c "import PySide6.QtWidgets" 2>/dev/null || { \
		$(BIN)/python -c "import PySide6.QtWidgets" 2>&1 | tail -n 1; \
		echo "Qt needs system libraries that are missing; on Debian or Ubuntu, as root: apt-get install $(SYSTEM_LIBRARIES)"; \
		exit 1; } >&2

lint: $(VENV)/.ready-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/mypy Resources/Export

clean:
	rm -rf $(VENV) $(DEMO) build .pytest_cache .mypy_cache .ruff_cache *.egg-info
	find medsynth_core MedSynth MedSynthTrain Testing -name __pycache__ -type d -prune -exec rm -rf {} +

# For scripts: names of the system packages that the tests need, and of optional ones that enable more tests.
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

# Installed first, or a package that depends on it would choose the version.
$(VENV)/.torch: $(VENV)/.python constraints.txt
	@echo "Installing into $(VENV); the first time takes some minutes."
	$(INSTALL) torch
	@touch $@

$(VENV)/.python:
	@$(PYTHON) -c "import sys; sys.exit(not (3, 10) <= sys.version_info[:2] < (3, 14))" || { \
		echo "MedSynth needs Python 3.10 to 3.13, and '$(PYTHON)' is another version; choose one: make PYTHON=python3.12 ..."; \
		exit 1; } >&2
	@$(PYTHON) -m venv $(VENV) || { \
		echo "Python could not create an environment; on Debian or Ubuntu, as root: apt-get install python3-venv"; \
		exit 1; } >&2
	@touch $@
