# Two commands do all the set-up: `make demo` runs the loop on this machine, `make test` passes the tests.
PYTHON ?= python3
UV := .cache/uv/bin/uv
# uv does not read pip's settings: hand it the index that pip was told to use, if any.
PIP_INDEX := $(or $(PIP_INDEX_URL),$(shell $(PYTHON) -m pip config get global.index-url 2>/dev/null))
export UV_DEFAULT_INDEX ?= $(PIP_INDEX)
ifeq ($(strip $(UV_DEFAULT_INDEX)),)
unexport UV_DEFAULT_INDEX
endif
export UV_PYTHON_DOWNLOADS := never
# Compiled modules are kept: without them every start of a step imports its libraries from source, seconds each time.
unexport PYTHONDONTWRITEBYTECODE

# In several processes, a file of tests in one: its tests share an AWS. Not those with most tests first, which are the quickest.
PYTEST := .venv/bin/python -m pytest --numprocesses logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder

.PHONY: help demo laptop engine test test-all bench checking check contract format setup lock clean

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: .venv/bin/perennial .venv-steps/.ready  ## run the whole loop on this machine; DATA=my.csv TARGET=column [PROTECTED=column] uses your data, ENGINE=pulumi the genuine engine
	@.venv/bin/python -m laptop demo $(if $(DATA),--data '$(DATA)') $(if $(TARGET),--target '$(TARGET)') $(if $(PROTECTED),--protected '$(PROTECTED)') $(if $(PORT),--port '$(PORT)') $(if $(ENGINE),--engine '$(ENGINE)')

laptop: .venv/bin/perennial .venv-steps/.ready  ## keep the laptop AWS running for your own experiments; PORT=4566
	@.venv/bin/python -m laptop serve $(if $(PORT),--port '$(PORT)')

engine: .venv/.laptop  ## the genuine pulumi, for ENGINE=pulumi and its tests: built with Go into ~/.cache/perennial, once (about 5 minutes)
	@.venv/bin/python -m laptop engine

test: .venv/.tests .venv/bin/perennial .venv-steps/.ready  ## the default tests (a few minutes)
	$(PYTEST)

test-all: .venv/.tests .venv/bin/perennial .venv-steps/.ready  ## the slower tiers: the wheel in an empty environment, the loop end to end, the genuine engine, the promises checked
	$(PYTEST) -m 'packaging or loop or engine or checking or faults'

bench: .venv/.laptop  ## what the components cost on top of bare resources, as ratios (half an hour); LOOPS="1 10" RUNS=3
	@.venv/bin/python -m benchmarks $(if $(LOOPS),--loops $(LOOPS)) $(if $(RUNS),--runs $(RUNS))

checking: .venv/.tests  ## only the promises of the retrain controller, in every schedule of small worlds and under every fault
	$(PYTEST) -m 'checking or faults'

check: .venv/.tests  ## lint, format and types
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy

contract: .venv/.laptop  ## rewrite docs/components.md after a change of a component's inputs or outputs
	@PYTHONPATH=. .venv/bin/python -W ignore tests/components/contract.py

format: .venv/.tests  ## put the code into its format
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

setup: .venv/.tests .venv/bin/perennial .venv-steps/.ready  ## everything that the other commands set up by themselves

lock: $(UV)  ## renew requirements.lock after a change of a requirements.txt
	$(UV) pip compile --quiet --universal --python-version 3.11 --no-header --no-annotate --no-emit-index-url --output-file requirements.lock tests/requirements.txt

clean:  ## forget every environment and cache
	rm -rf .venv .venv-steps .cache reports

# pip --target needs neither ensurepip nor a writable system Python; uv then installs in seconds what takes pip minutes.
$(UV):
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Perennial needs Python 3.11 or newer, and " + sys.executable + " is " + sys.version.split()[0] + ": run make with PYTHON=/path/to/a/newer/python")'
	@echo "Setting up: the installer (uv)"
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check --root-user-action ignore --target .cache/uv uv==0.13.9

.venv/pyvenv.cfg: | $(UV)
	@$(UV) venv --quiet --clear --python '$(PYTHON)' .venv

.venv/.laptop: requirements.txt laptop/requirements.txt requirements.lock | .venv/pyvenv.cfg
	@echo "Setting up: .venv (Pulumi, the SageMaker SDK, the laptop AWS)"
	@$(UV) pip install --quiet --python .venv/bin/python --constraints requirements.lock -r laptop/requirements.txt
	@touch $@

# What the wheel installs, of this checkout.
.venv/bin/perennial: | .venv/.laptop
	@printf '%s\n' '#!$(CURDIR)/.venv/bin/python' 'import sys' 'sys.path[0] = "$(CURDIR)"' \
	  'from components.cli.main import main' 'sys.exit(main())' > .venv/bin/perennial && chmod +x .venv/bin/perennial

.venv/.tests: tests/requirements.txt requirements.lock .venv/.laptop
	@echo "Setting up: .venv (the test tools)"
	@$(UV) pip install --quiet --python .venv/bin/python --constraints requirements.lock -r tests/requirements.txt
	@touch $@

# The steps run under the pins of SageMaker's image, which is Python 3.12; the model may add its own.
STEP_REQUIREMENTS := pipelines/image-requirements.txt pipelines/requirements.txt $(wildcard pipelines/model/requirements.txt)
.venv-steps/.ready: $(STEP_REQUIREMENTS) | $(UV)
	@echo "Setting up: .venv-steps (the pins of the SageMaker image)"
	@$(UV) venv --quiet --clear --python 3.12 .venv-steps 2>/dev/null || { \
	  echo "  no Python 3.12 here, which the image has: the steps run under $$($(PYTHON) -V), with the nearest pins that it can install"; \
	  $(UV) venv --quiet --clear --python '$(PYTHON)' .venv-steps; }
	@$(UV) pip install --quiet --compile-bytecode --python .venv-steps/bin/python $(addprefix -r ,$(STEP_REQUIREMENTS))
	@touch $@
