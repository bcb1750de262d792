# `make help` explains. CI runs `make check test`, `make demo` and a short `make fuzz`.
SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready

.PHONY: help dev fix check test demo stack fuzz thorough docs clean

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 10

# What a target needs is installed, or said to be missing, at once: before the environment is made for it.
PACKAGES := dev
demo: PACKAGES := demo
test stack: PACKAGES := test

dev: $(STAMP) ## .venv with the command casemate in it

$(STAMP): requirements/dev.txt pyproject.toml $(wildcard proto/*.proto) scripts/generate-proto scripts/system-packages
	@scripts/system-packages $(PACKAGES)
	python3 -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements/dev.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	$(BIN)/python scripts/generate-proto
	@touch $@

fix: dev ## format and mend what can be mended
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

check: dev ## format, lint, types, walls between rooms
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: dev ## every test that this machine can run
	@scripts/system-packages test
	$(BIN)/pytest -n 2 --dist loadgroup

stack: dev ## only the tests that boot pod VMs
	@scripts/system-packages test
	$(BIN)/pytest -m vm

FUZZ_SECONDS := 60
fuzz: dev ## every parser and verifier, FUZZ_SECONDS each; only our errors may come out
	$(BIN)/python -m fuzz.run --seconds $(FUZZ_SECONDS)

thorough: dev ## every bit and byte that `make test` tries a spread of, and 10,000 mutations
	CASEMATE_THOROUGH=1 $(BIN)/pytest -q -n 2 tests/tee

docs: dev ## the pages as a site, in build/site
	$(BIN)/zensical build --strict

demo: dev ## the main job: an attested pod, and attacks that fail
	@scripts/system-packages demo
	$(BIN)/casemate demo

clean: ## forget the environment
	rm -rf $(VENV) build dist
