# Two commands are all a newcomer needs: `make demo` and `make test`. `make help` lists the others.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ROOMS := domain eventlog privacy publishing consumers projections audit importing demo cli
CODE := $(ROOMS) tests tools bench

.PHONY: help demo test test-embedded check format bench docs lock clean venv
.DEFAULT_GOAL := help

help: ## what can be done here
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1|\2/' | column -t -s '|'

demo: venv ## install what is needed, and play the 149 reports on the embedded log
	@$(BIN)/casetrail demo

test: check ## all checks and all tests, with a real Kafka broker and a real PostgreSQL
	$(BIN)/pytest

test-embedded: check ## the same without the tests that need a broker or PostgreSQL
	$(BIN)/pytest -m "not broker and not postgres"

check: venv ## format, lint, types, folder rules, generated files
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/ruff check $(CODE)
	$(BIN)/mypy -p casetrail
	$(BIN)/mypy tests tools bench
	$(BIN)/lint-imports
	$(BIN)/python tools/write_schemas.py --check
	$(BIN)/python tools/write_docs.py --check

format: venv ## format the code, and mend what the linter can mend
	$(BIN)/ruff format $(CODE)
	$(BIN)/ruff check --fix $(CODE)

docs: venv ## write the schemas and the generated pages of docs/
	$(BIN)/python tools/write_schemas.py
	$(BIN)/python tools/write_docs.py

bench: venv ## measure against peers in the same run (minutes)
	$(BIN)/python -m bench

lock: venv ## pin the dependencies anew
	$(BIN)/pip install --quiet uv
	$(BIN)/uv pip compile --universal --generate-hashes --no-emit-index-url --no-annotate --no-header \
	    --python-version 3.11 --extra dev --output-file requirements.lock pyproject.toml
	$(BIN)/uv pip compile --universal --generate-hashes --no-emit-index-url --no-annotate --no-header \
	    --python-version 3.11 --output-file requirements-run.lock pyproject.toml

venv: $(VENV)/installed

$(VENV)/installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "casetrail needs Python 3.11 or later: set PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	mkdir -p $(VENV)/rooms/casetrail
	for room in $(ROOMS); do ln -sfn $(CURDIR)/$$room $(VENV)/rooms/casetrail/$$room; done
	@touch $@

clean: ## remove the virtual environment, caches and what the demo wrote
	rm -rf $(VENV) .cache build *.egg-info .mypy_cache .ruff_cache .hypothesis .import_linter_cache casetrail-demo
