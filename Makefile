# Senim's few commands. `make help` lists them.
.DEFAULT_GOAL := help
SHELL := /bin/sh
MAKEFLAGS += --no-print-directory
PYTHON ?= python3
BIN := .venv/bin
UV := $(shell command -v uv 2>/dev/null || echo var/uv/bin/uv)
ARGS ?=
# uv trusts its own list of certificates unless told; an organisation's proxy is known to the system only, as pip knows.
export UV_SYSTEM_CERTS ?= 1
export UV_NATIVE_TLS ?= 1

.PHONY: help env env-dev run test check bench clauses lock clean style types layers translations templates security audit

help: ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: env ## the sandbox market on http://localhost:8000
	@exec $(BIN)/senim sandbox $(ARGS)

test: env-dev ## the whole test suite on its own database, browser tests included
	@tools/chromium
	@$(BIN)/python -m senim translations compile
	@$(BIN)/pytest $(ARGS)

check: env-dev ## style, types, layers, translations, templates, security
	@$(MAKE) --keep-going style types layers translations templates security audit

bench: env ## every measurement of speed, each beside its baseline
	@$(BIN)/senim bench all $(ARGS)

clauses: env ## which clauses of the law have a passing test
	@$(BIN)/senim clauses $(ARGS)

clean: ## remove what is made again by itself; databases and .venv stay
	@find src tests tools -name __pycache__ -type d -prune -exec rm -rf {} +
	@find src -name '*.mo' -delete
	@rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .schemathesis dist
	@rm -rf var/test var/static var/tmp

env: .venv/.env ## create .venv from the lock file

env-dev: .venv/.env-dev ## the same, with the tools for tests and checks

lock: | $(UV) ## renew the lock files from pyproject.toml
	$(UV) pip compile pyproject.toml -o requirements.lock --generate-hashes --no-emit-index-url --python-version 3.11 --quiet --upgrade
	$(UV) pip compile pyproject.toml --extra dev -c requirements.lock -o requirements-dev.lock --generate-hashes --no-emit-index-url --python-version 3.11 --quiet --upgrade

style:
	@$(BIN)/ruff check --quiet . && $(BIN)/ruff format --check --quiet . && echo "style: good"

types:
	@$(BIN)/mypy --no-error-summary && echo "types: good"

layers:
	@$(BIN)/lint-imports --no-logo

translations:
	@$(BIN)/python tools/check_translations.py

templates:
	@$(BIN)/python tools/check_templates.py

security:
	@$(BIN)/bandit --quiet --recursive --configfile pyproject.toml src && echo "security: good"

audit:
	@$(BIN)/python tools/audit.py

$(UV):
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
