# Everything here needs git, make and Python 3.11 or newer; the rest is installed into .venv from the lock files.

VENV   ?= .venv
CORPUS ?=
SEEDS  ?=
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& { echo $$p; break; }; done)

CHROMIUM ?= $(shell for c in chromium chromium-browser google-chrome google-chrome-stable; do \
	command -v $$c 2>/dev/null && break; done)

BIN     := $(VENV)/bin
READY   := $(VENV)/.ready
READY_DEV := $(VENV)/.ready-dev
# A venv without pip of its own borrows the system's (pip 22.3 and newer can install into another interpreter).
PIP      = $$($(BIN)/python -c 'import pip' 2>/dev/null && echo "$(BIN)/python -m pip" || echo "$(PYTHON) -m pip --python $(BIN)/python") \
	--disable-pip-version-check --no-input

.DEFAULT_GOAL := help
.PHONY: help run test browser lint bench corpus faults faults-full fuzz soak locks wheel clean

help:  ## show this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1	/p' $(MAKEFILE_LIST) | expand -t 20

run: $(READY)  ## three computers with real agents on this one (ONCE=1: check every step and leave)
	@exec $(BIN)/gitsync demo $(if $(ONCE),--once)

test: $(READY_DEV)  ## the whole test suite
	@$(BIN)/python -m pytest -n auto --maxprocesses 8 --dist worksteal $(ARGS)

browser: $(READY_DEV)  ## the dashboard in a real Chromium (CHROMIUM=path: that one; SHOTS=1: write docs/images anew)
	@test -n "$(CHROMIUM)" && command -v "$(CHROMIUM)" >/dev/null 2>&1 || { \
		echo "make browser needs Chromium or Chrome; none was found$(if $(CHROMIUM), at $(CHROMIUM), on PATH)." >&2; \
		echo "Install it (Debian, Ubuntu: apt install chromium; Fedora: dnf install chromium), or name it: make browser CHROMIUM=path" >&2; exit 1; }
	@$(BIN)/python -c 'import playwright' 2>/dev/null || { \
		echo "make browser needs the Python package playwright (a wheel of this system), which $(VENV) lacks." >&2; exit 1; }
	@GITSYNC_CHROMIUM="$(CHROMIUM)" GITSYNC_SHOTS="$(SHOTS)" $(BIN)/python -m pytest -m browser tests/browser $(ARGS)

lint: $(READY_DEV)  ## style, types, and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(READY_DEV)  ## measure, each figure beside its baseline from the same run (FULL=1: the long ones too)
	$(BIN)/python -m benchmarks.run $(if $(FULL),--full) $(ARGS)

corpus: $(READY_DEV)  ## read a collection of real mailboxes: make corpus CORPUS=path
	@test -n "$(CORPUS)" || { echo "name the folder: make corpus CORPUS=path" >&2; exit 2; }
	$(BIN)/python -m benchmarks.corpus $(CORPUS) $(ARGS)

faults: $(READY_DEV)  ## ten minutes of accidents: all points and deeds, bad networks, storms, random lives (SEEDS=1)
	GITSYNC_SEEDS=$(or $(SEEDS),1) $(BIN)/python -m pytest -m "faults or campaign" $(FAULTS) $(ARGS)
	$(BIN)/python -m tests.campaign.report --last

faults-full: $(READY_DEV)  ## the whole campaign, for hours: kill -9 at every point with SEEDS=50 seeds, storms of 30 machines
	GITSYNC_FULL=1 GITSYNC_SEEDS=$(or $(SEEDS),50) $(BIN)/python -m pytest -m "faults or campaign" $(FAULTS) $(ARGS)
	$(BIN)/python -m tests.campaign.report --last

FAULTS = -n auto --maxprocesses 8 --dist worksteal --timeout 7200

fuzz: $(READY_DEV)  ## what reads bytes of others, with INPUTS=1000000 hostile inputs over all targets (TARGET=reader: that one)
	@$(BIN)/python -m tests.fuzz.run $(TARGET) --inputs $(or $(INPUTS),100000) --seed $(or $(SEED),1) $(if $(ENGINE),--engine $(ENGINE)) $(ARGS)

soak: $(READY_DEV)  ## thousands of cycles, with SEEDS=20 seeds
	GITSYNC_SEEDS=$(or $(SEEDS),20) $(BIN)/python -m pytest -m soak --timeout 7200 $(ARGS)

wheel: $(READY_DEV)  ## build dist/*.whl
	$(PIP) wheel --quiet --no-deps --no-build-isolation --wheel-dir dist .

locks:  ## write the lock files anew (needs pip-compile, from pip-tools)
	CUSTOM_COMPILE_COMMAND="make locks" pip-compile --quiet --upgrade $(LOCK_FLAGS) -o requirements.lock pyproject.toml
	CUSTOM_COMPILE_COMMAND="make locks" pip-compile --quiet $(LOCK_FLAGS) --extra dev -c requirements.lock -o requirements-dev.lock pyproject.toml

LOCK_FLAGS = --generate-hashes --strip-extras --allow-unsafe --build-deps-for=editable --build-deps-for=wheel \
	--no-emit-index-url --no-emit-trusted-host --no-emit-find-links

clean:  ## remove what make has made
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "gitsync needs Python 3.11 or newer; none was found on PATH (or name one: make PYTHON=…)" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) >/dev/null 2>&1 || { rm -rf $(VENV); \
		$(PYTHON) -m pip --version >/dev/null 2>&1 && $(PYTHON) -m venv --without-pip $(VENV) >/dev/null 2>&1; } || { rm -rf $(VENV); \
		echo "$(PYTHON) cannot make a virtual environment: the modules venv and ensurepip are missing." >&2; \
		echo "Install them (Debian, Ubuntu: apt install python3-venv; Fedora: dnf install python3-pip) and try again." >&2; exit 1; }

$(READY): requirements.lock pyproject.toml | $(BIN)/python
	@echo "installing into $(VENV) …"
	@test -e $(READY_DEV) || $(PIP) install --quiet --require-hashes -r requirements.lock
	@$(PIP) install --quiet --no-deps --no-build-isolation -e .
	@touch $@

$(READY_DEV): requirements-dev.lock $(READY)
	@echo "installing the tools for development into $(VENV) …"
	@$(PIP) install --quiet --require-hashes -r requirements-dev.lock
	@touch $@
