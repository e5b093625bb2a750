# The two main targets are `make serve` and `make test`; the others are their steps and tools.

PORT ?= 3000
PYTHON ?= python3
VENV := .venv
KSERVE := .venv-kserve
BIN := $(VENV)/bin

# The CPU and GPU builds of ONNX Runtime cannot be installed together: use the GPU build if there is a GPU.
RUNTIME := $(shell nvidia-smi -L >/dev/null 2>&1 && echo gpu || echo cpu)
# A pinned PyTorch version, so that an index with CPU builds offers one. Only training needs PyTorch.
TORCH ?= torch==2.13.0

# One tested version of every package, for the environment and for builds in it; `make lock` renews them.
CONSTRAINED := PIP_CONSTRAINT=constraints.txt PIP_BUILD_CONSTRAINT=constraints.txt PIP_DISABLE_PIP_VERSION_CHECK=1

# Number of test processes; the tests of one file run in one process. Many tests wait for a real service.
WORKERS ?= 2

.PHONY: help serve watch test test-all coverage check generate site models env serving-env lock release bench fuzz soak clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 14

serve: models ## Train if necessary, seal, and serve both digit models on 127.0.0.1:$(PORT)
	@RUNTIME=$(RUNTIME) PORT=$(PORT) BIN=$(BIN) bash bentos/digits/serve.sh

watch: ## Monitor the service of `make serve` with a local Prometheus (with the rules) and Alertmanager
	@PORT=$(PORT) bash deploy/local.sh

test: models check $(KSERVE)/.installed ## Run all tests and checks
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile

# `make test` has run all tests in .venv; nox skips a Python that is not on this machine, and says so.
test-all: test ## Run the tests on Python 3.11 to 3.14, as far as they are here, and without extras
	$(BIN)/nox --sessions $(filter-out tests-$(shell $(BIN)/python -c 'import sys; print("{}.{}".format(*sys.version_info))'), \
		tests-3.11 tests-3.12 tests-3.13 tests-3.14) bare

coverage: env ## Measure which lines the unit tests run; fails below the floor in pyproject.toml
	$(BIN)/python -m pytest --unit --numprocesses $(WORKERS) --dist loadfile --cov --cov-report=term:skip-covered --cov-report=html

check: env ## Check style, types, import contracts, generated files and links in the documents
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tools.generate --check
	@$(MAKE) --no-print-directory site

site: env ## Build the documentation site into build/site; a broken link fails
	$(BIN)/python -m tools.site
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

generate: env ## Write every generated file (reference, dashboards, rule tests, chart schema); `check` fails if one is stale
	$(BIN)/python -m tools.generate

models: env ## Train both digit models, and seal them
	@BIN=$(BIN) bash bentos/digits/prepare.sh

bench: models ## Run all benchmarks and their peers; write benchmarks/results/
	$(BIN)/python -m benchmarks

fuzz: models ## Send random requests to running services for SECONDS (600); fails at a 500, a traceback or silence
	$(BIN)/python -m tests.fuzz $(or $(SECONDS),600) $(SEED)

soak: models ## Load the digits service for MINUTES (30) and judge whether its memory grows; draws build/soak.svg
	$(BIN)/python -m benchmarks.soak $(or $(MINUTES),30)

env: $(VENV)/.installed-$(RUNTIME) ## Make the environment for working on the project

$(VENV)/.installed-$(RUNTIME): pyproject.toml constraints.txt setup.py governance/__init__.py $(wildcard governance/privacy/native/*.pyx)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11 ...")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV) ($(RUNTIME) runtime); the first time takes a few minutes."
	$(CONSTRAINED) $(BIN)/python -m pip install --quiet '$(TORCH)' --editable '.[$(RUNTIME),training,dev]'
	@touch $@

# KServe's client needs other versions than ours, so a test runs it in this environment.
$(KSERVE)/.installed: tests/e2e/clients/kserve.txt
	@$(PYTHON) -m venv $(KSERVE)
	@PIP_DISABLE_PIP_VERSION_CHECK=1 $(KSERVE)/bin/python -m pip install --quiet --requirement tests/e2e/clients/kserve.txt
	@touch $@

serving-env: ## Install the serving dependencies only (no training) into .venv-serving
	$(PYTHON) -m venv .venv-serving
	$(CONSTRAINED) .venv-serving/bin/python -m pip install --quiet '.[$(RUNTIME)]'

# `make lock PACKAGES="numpy onnx"` changes only these packages, and adds new requirements of pyproject.toml.
lock: ## Renew constraints.txt: the newest versions that pyproject.toml allows, for all supported Pythons
	@test -x $(BIN)/uv || $(MAKE) env
	TORCH='$(TORCH)' $(BIN)/python -m tools.lock $(PACKAGES)

release: env ## Build the distributions into dist/ and test each in an empty environment; DRAFT=1 accepts uncommitted changes
	$(BIN)/python -m tools.release $(if $(DRAFT),--draft)

clean: ## Remove the environment, trained models, and the keys, callers and audit log of the digits service
	rm -rf $(VENV) $(KSERVE) .venv-serving .nox .coverage htmlcov .state bentos/digits/state build dist *.egg-info
