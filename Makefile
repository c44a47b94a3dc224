# Imaging Bridge: the chores, by name. `make` alone lists them.

VENV    ?= .venv
BIN      = $(VENV)/bin
# The first of these that is at least 3.11; name another one with PYTHON=...
PYTHON  ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
             if command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; \
             then echo $$p; break; fi; done)
PIP      = $(BIN)/python -m pip --disable-pip-version-check -qq
# One more than the two cores of a small machine: many a test waits for a peer, a lock or a process.
WORKERS ?= 3
PEERS   ?= required
# One file's tests stay together, so that what a file starts (a server, a database) is started once.
PYTEST   = $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile

.DEFAULT_GOAL := help
.PHONY: help demo test peers check format bench bench-reconcile bench-lookups campaign fuzz requests conformance lock changelog clean

help: ## list the chores
	@echo "Imaging Bridge. The two to know: make demo, make test."
	@echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: $(VENV)/.product ## one clinic day through real sockets, then the console stays up (EXIT=1: end after the story)
	@$(BIN)/python -m samples.demo $(if $(EXIT),--exit)

test: $(VENV)/.dev peers ## every test; brings the real peers it needs (PEERS=skip: do without those that are missing)
	@$(if $(filter required,$(PEERS)),BRIDGE_REQUIRE_PEERS=1) $(PYTEST)

peers: ## install what the tests talk to: dcmtk, Orthanc with DICOMweb, PostgreSQL's tools, Chromium, strace, an SSH server, validators of FHIR
	@PEERS=$(PEERS) sh tests/peers.sh

check: $(VENV)/.dev ## lint, types, import contracts and the fast tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(PYTEST) tests/house tests/unit

format: $(VENV)/.dev ## write the code as the formatter would
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.dev ## the product beside dcmtk, Orthanc and python-hl7, into docs/benchmarks.md (QUICK=1: a smoke run, nothing written)
	@PEERS=$(PEERS) sh tests/peers.sh dcmtk orthanc
	@$(BIN)/python -m bench $(if $(QUICK),--quick)

bench-reconcile: $(VENV)/.dev ## whose images are these, on an invented hospital nobody has seen (SEED=… PROFILE=stress|published ENGINE=pure|doors STUDIES=n)
	@$(BIN)/python -m bench.reconcile $(if $(SEED),--seed $(SEED)) $(if $(PROFILE),--profile $(PROFILE)) \
	  $(if $(ENGINE),--engine $(ENGINE)) $(if $(STUDIES),--studies $(STUDIES))

bench-lookups: $(VENV)/.dev ## how long such a decision takes against a million patients (ENGINE=postgresql: in a server of its own; else SQLite)
	@$(BIN)/python -m bench.reconcile.lookups $(if $(filter postgresql,$(ENGINE)),--postgresql)

campaign: $(VENV)/.dev peers ## the long campaigns (kill -9 at every commit point and under four associations, 200 rounds each; an exam's story told 1,000 ways; 50,000 stories of whose images they are, 2,000 of what has only begun, 1,000 of what leaves)
	@BRIDGE_REQUIRE_PEERS=1 BRIDGE_CAMPAIGN=1 $(PYTEST) tests/faults tests/property/test_order_story.py tests/property/test_identity_machine.py tests/property/test_begun_stories.py tests/property/test_leaving_stories.py --timeout 7200

fuzz: $(VENV)/.dev ## a million inputs for each reader of HL7 and X12 bytes (RUNS=n; what breaks one lies in var/fuzz)
	@$(BIN)/python -m tests.fuzz --runs $(or $(RUNS),1000000)

requests: $(VENV)/.dev ## ten thousand requests made of what REST and FHIR say of themselves: none may break the server (RUNS=n SEED=n)
	@BRIDGE_REQUESTS=$(or $(RUNS),10000) BRIDGE_REQUESTS_SEED=$(or $(SEED),7) $(BIN)/python -m pytest -q tests/unit/web/test_any_request.py

conformance: $(VENV)/.dev ## write docs/hl7-conformance.md: the code's tables, and a running product's answers to the corpus
	@$(BIN)/python -m tests.conformance

lock: $(VENV)/.dev ## pin the newest dependencies that pyproject.toml allows, with hashes
	@$(BIN)/python -m venv $(VENV)/lock && $(VENV)/lock/bin/pip --quiet install 'uv>=0.5'
	$(VENV)/lock/bin/uv pip compile --upgrade $(LOCK_OPTIONS) pyproject.toml -o requirements.lock
	$(VENV)/lock/bin/uv pip compile --upgrade $(LOCK_OPTIONS) --extra dev -c requirements.lock pyproject.toml -o requirements-dev.lock
LOCK_OPTIONS = --quiet --python-version 3.11 --generate-hashes --no-header --no-annotate \
               --no-emit-index-url --no-emit-find-links

changelog: ## put the fragments of changelog.d/ into CHANGELOG.md (VERSION=1.2.3)
	@$(PYTHON) changelog.d/build.py $(VERSION)

clean: ## remove the environment and what the tools left behind
	rm -rf $(VENV) build dist var .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed and none was found; name one with PYTHON=/path/to/python." >&2; exit 1; }
	@echo "making $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV) || { echo "This Python cannot make virtual environments; on Debian and Ubuntu: apt-get install python3-venv." >&2; \
	  rm -rf $(VENV); exit 1; }

$(VENV)/.product: requirements.lock pyproject.toml | $(VENV)/bin/python
	@echo "installing what the product needs (requirements.lock, by hash)"
	@$(PIP) install --require-hashes -r requirements.lock
	@$(PIP) install --no-deps -e .
	@touch $@

$(VENV)/.dev: requirements-dev.lock $(VENV)/.product
	@echo "installing what the tests need (requirements-dev.lock, by hash)"
	@$(PIP) install --require-hashes -r requirements-dev.lock
	@touch $@
