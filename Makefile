# Two commands matter: `make workshop` and `make test`. Each sets up what it needs.
# Works with GNU make 3.81 and newer; every path is relative, so that the checkout may
# lie in a folder with spaces in its name.

VENV := .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip --disable-pip-version-check
# Named after the folder's place: a checkout that was moved or copied is set up again.
READY := $(VENV)/.ready-$(shell pwd | cksum | cut -d ' ' -f 1)
SUITS := import sys, venv, ensurepip; exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
PYTHONS := $(if $(PYTHON),"$(PYTHON)",python3.13 python3.12 python3.11 python3 python)

# What may follow a target: make workshop arch=EfficientNetLite0 epochs=20. Anything else
# is refused: a misspelt option would go unnoticed.
OPTIONS := arch data weights epochs workspace
option = $(if $(findstring command,$(origin $(1))),--$(1) "$($(1))")
empty :=
space := $(empty) $(empty)
words := $(subst \$(space),,$(MAKEOVERRIDES))
named := $(foreach word,$(words),$(firstword $(subst =, ,$(word))))
unknown := $(filter-out $(OPTIONS) args PYTHON,$(named))
$(if $(unknown),$(error Unknown: $(unknown). Known: $(OPTIONS) args PYTHON))

.PHONY: help workshop test test-slow fuzz bench lab lint site offline-bundle lite clean
.NOTPARALLEL:

help:
	@echo "make workshop   run the notebooks in order: data, training, evaluation, model"
	@echo "                options: arch=EfficientNetLite0 data=PATH weights=none"
	@echo "                         epochs=20 workspace=FOLDER"
	@echo "make test       the tests, but for the slow ones   (args='-k cli' goes to pytest)"
	@echo "make test-slow  the slow ones"
	@echo "make fuzz       odd bytes for the readers of files   (args='index --runs 99')"
	@echo "make bench      carlib side by side with other ways   (args='--arch MobileNetV2')"
	@echo "make lab        JupyterLab on the notebooks"
	@echo "make lint       style of code and notebooks, spelling, types of the public names"
	@echo "make site       the notebooks as they ran, and all other pages, in build/site"
	@echo "                (args='--workspace FOLDER' takes notebooks that ran there)"
	@echo "make offline-bundle  all that a class without a network needs, in one folder"
	@echo "                (args='--systems linux-x86_64 --pythons 3.11 3.12')"
	@echo "make lite       notebooks 02, 04, 05 and 08 for a browser, without an installation"
	@echo "make clean      remove what these commands made, notebooks/workspace too; data/ stays"

workshop: $(READY)
	@$(PY) notebooks/run.py $(foreach name,$(OPTIONS),$(call option,$(name)))

test: $(READY)
	@$(PY) -m pytest -m "not slow" $(args)

test-slow: $(READY)
	@$(PY) -m pytest -m slow $(args)

ATHERIS := build/atheris

# No part of the environment; without it the fuzzer makes its inputs by itself.
fuzz: $(READY)
	@[ -d $(ATHERIS) ] || $(PIP) install -q --no-deps --target $(ATHERIS) atheris \
	  || echo "atheris can't be installed: the fuzzer makes its inputs by itself."
	@PYTHONPATH=$(ATHERIS) $(PY) fuzz/fuzz.py $(args)

FOUND := benchmarks/bottlenecks

bench: $(READY)
	@$(PY) benchmarks/bottlenecks.py --json $(FOUND).json --figure $(FOUND).png $(args)

lab: $(READY)
	@$(PY) -m jupyter lab notebooks

lint: $(READY)
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m nbstripout --verify notebooks/*.ipynb notebooks/*/*.ipynb
	@$(PY) -m codespell_lib
	@$(PY) -m mypy --no-error-summary
	@$(PY) -m basedpyright

site: $(READY)
	@$(PY) -m scripts.site $(args)

offline-bundle: $(READY)
	@$(PY) -m scripts.offline_bundle $(args)

lite: $(READY)
	@$(PY) -m scripts.lite $(args)

# .installing marks an installation under way. One that was cut off can leave packages
# which pip takes for whole, so it is begun anew (what was downloaded is not fetched
# twice). An environment made by hand is kept and brought up to date.
$(READY): requirements.txt pyproject.toml
	@if [ -e $(VENV)/.installing ]; then \
	  echo "The last set-up was cut off: making $(VENV) anew."; rm -rf $(VENV); \
	fi
	@if ! { $(PY) -m pip --version && $(PY) -c "$(SUITS)"; } >/dev/null 2>&1; then \
	  for python in $(PYTHONS) none; do \
	    "$$python" -c "$(SUITS)" 2>/dev/null && break; \
	  done; \
	  if [ "$$python" = none ]; then \
	    echo "Of Python 3.11, 3.12 and 3.13, none was found with its venv module."; \
	    echo "Install one, or name it: make PYTHON=/path/to/python3.12 ..."; exit 1; \
	  fi; \
	  echo "Making $(VENV) with $$("$$python" --version)."; \
	  "$$python" -m venv --clear $(VENV); \
	fi
	@touch $(VENV)/.installing
	@echo "Installing what requirements.txt pins: 3 GB on disk, minutes the first time."
	@$(PY) scripts/install.py $(VENV)/install.log -r requirements.txt
	@$(PIP) install -q --no-deps --no-build-isolation -e .
	@rm -f $(VENV)/.installing $(VENV)/.ready-*
	@touch $@

MADE := $(VENV) notebooks/workspace build dist .pytest_cache .ruff_cache .hypothesis

clean:
	@for path in $(MADE); do \
	  if [ -e $$path ]; then echo "Removing $$path"; rm -rf $$path; fi; \
	done
	@find carlib data tests notebooks benchmarks fuzz -name __pycache__ -prune \
	  -exec rm -rf {} + 2>/dev/null || true
	@echo "Kept: data/, and everything that you put anywhere else."
