# Senim's few commands. `make help` lists them.
.DEFAULT_GOAL := help
SHELL := /bin/sh
PYTHON ?= python3
BIN := .venv/bin
UV := $(shell command -v uv 2>/dev/null || echo var/uv/bin/uv)

.PHONY: help env env-dev run test check bench clauses lock clean

help: ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

var/uv/bin/uv:
	@echo "fetching uv into var/uv"
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --target var/uv uv

.venv/.env: requirements.lock pyproject.toml | $(UV)
	@test -x $(BIN)/python || $(UV) venv --quiet --python $(PYTHON) .venv
	@$(UV) pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $@

.venv/.env-dev: requirements-dev.lock .venv/.env
	@$(UV) pip install --quiet --python $(BIN)/python --require-hashes -r requirements-dev.lock
	@touch $@

env: .venv/.env ## create .venv from the lock file

env-dev: .venv/.env-dev ## the same, with the tools for tests and checks

lock: | $(UV) ## renew the lock files from pyproject.toml
	$(UV) pip compile pyproject.toml -o requirements.lock --generate-hashes --no-emit-index-url --python-version 3.11 --quiet --upgrade
	$(UV) pip compile pyproject.toml --extra dev -c requirements.lock -o requirements-dev.lock --generate-hashes --no-emit-index-url --python-version 3.11 --quiet --upgrade
