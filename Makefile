# Two commands are all a newcomer needs: `make demo` and `make test`. `make help` lists the others.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ROOMS := domain eventlog privacy proofs publishing consumers projections audit importing exporting demo sunlight cli
CODE := $(ROOMS) tests tools bench
AT_ONCE := -n 3 --dist loadfile --no-loadscope-reorder
LOCKER := .cache/locker
LOCK := $(LOCKER)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
    --no-annotate --no-header
EXTRAS := build fast analysis statistics board sunlight

.PHONY: help demo test test-embedded browser check code secrets format bench soak faults docs lock clean venv
.DEFAULT_GOAL := help

help: ## what can be done here
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: venv ## install what is needed, and play the 149 reports on the embedded log
	@$(BIN)/casetrail demo

test: check browser ## all checks and all tests, with a real Kafka broker, a real PostgreSQL and a real Chromium
	$(BIN)/pytest $(AT_ONCE)

test-embedded: check ## the same without the tests that need a broker, PostgreSQL or a browser
	$(BIN)/pytest $(AT_ONCE) -m "not broker and not postgres and not browser"

browser: # where it cannot be installed here, the tests that need it say what to do
	@for name in chromium chromium-browser google-chrome google-chrome-stable; do \
	    command -v $$name >/dev/null && exit 0; done; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    echo "installing Debian's chromium for the tests of the public report"; \
	    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends chromium \
	        >/dev/null || true; \
	fi

check: venv ## format, lint, types, folder rules, generated files, advisories; secrets at the same time
	@$(MAKE) --no-print-directory --jobs 2 code secrets

code: venv
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/ruff check $(CODE)
	$(BIN)/mypy -p casetrail
	$(BIN)/mypy tests tools bench
	$(BIN)/lint-imports
	$(BIN)/python tools/write_schemas.py --check
	$(BIN)/python tools/write_docs.py --check
	$(BIN)/python tools/write_detectors.py --check
	$(BIN)/python tools/audit_dependencies.py

secrets: venv # takes as long as all of the code's checks together, and one processor
	$(BIN)/detect-secrets-hook --baseline .secrets.baseline $$(git ls-files)

format: venv ## format the code, and mend what the linter can mend
	$(BIN)/ruff format $(CODE)
	$(BIN)/ruff check --fix $(CODE)

docs: venv ## write the schemas and the generated pages of docs/
	$(BIN)/python tools/write_schemas.py
	$(BIN)/python tools/write_docs.py
	$(BIN)/python tools/write_detectors.py

bench: venv ## measure against peers in the same run (minutes)
	$(BIN)/python -m bench

KILLS ?= 200
faults: venv ## injure a real site, count what is lost or doubled (some 25 minutes; KILLS=N)
	$(BIN)/python -m tests.faults --kills $(KILLS)

soak: venv ## run the simulation under more seeds: SEEDS=100000, FROM=0
	$(BIN)/python -m tests.simulation --seeds $(or $(SEEDS),100000) --from $(or $(FROM),0)

lock: ## pin the dependencies anew, for every Python from 3.11 on and every platform
	$(PYTHON) -m venv $(LOCKER)
	$(LOCKER)/bin/pip install --quiet --disable-pip-version-check uv
	$(LOCK) --extra dev --extra build --output-file requirements.lock pyproject.toml
	$(LOCK) --constraint requirements.lock $(EXTRAS:%=--extra %) --output-file requirements-run.lock pyproject.toml
	rm -rf $(LOCKER)

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
