# netmon: `make run` starts it, `make demo` starts it with a simulated network, `make test` proves it.
.POSIX:
.DELETE_ON_ERROR:

BIND ?= 127.0.0.1:8000
PYTHON_IN_VENV = .venv/bin/python
# Compiled once, beside the environment and not in the tree: without it every process compiles Django anew, for 1.5 s.
export PYTHONPYCACHEPREFIX = $(CURDIR)/.venv/bytecode
export PYTHONDONTWRITEBYTECODE =

.PHONY: help run demo test test-embedded test-production unit integration fuzz browser check lint types contracts \
        migrations schema vendor lock format bench-timeseries bench-secrets bench-inventory bench-ssh bench-alerts \
        bench-scan bench-vyos clean

help: ## what can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-18s %s\n", $$1, $$2}'

run: ## netmon on http://127.0.0.1:8000 (BIND=HOST:PORT for elsewhere)
	@sh .ci/environment base
	@exec $(PYTHON_IN_VENV) manage.py run --bind $(BIND)

demo: ## the same with a simulated network on loopback, in a data directory of its own
	@sh .ci/environment base
	@exec $(PYTHON_IN_VENV) manage.py demo --bind $(BIND)

test: ## everything: checks, then the suite on SQLite and on PostgreSQL with Redis
	@sh .ci/environment test
	@sh .ci/packages
	@$(MAKE) --no-print-directory check
	@$(MAKE) --no-print-directory test-embedded
	@$(MAKE) --no-print-directory test-production

test-embedded: ## the suite on SQLite and the filesystem broker
	@sh .ci/environment test
	$(PYTHON_IN_VENV) -m pytest -n 3 --dist loadfile --no-loadscope-reorder

test-production: ## the suite on PostgreSQL and Redis
	@sh .ci/environment test
	NETMON_TEST_STACK=production $(PYTHON_IN_VENV) -m pytest -n 3 --dist loadfile --no-loadscope-reorder

unit: ## the fast part
	@sh .ci/environment test
	$(PYTHON_IN_VENV) -m pytest -n 2 tests/unit

integration: ## real daemons
	@sh .ci/environment test
	@sh .ci/packages
	$(PYTHON_IN_VENV) -m pytest -n 2 --dist loadfile tests/contract tests/integration

fuzz: ## schemathesis with all it has: every operation, every wrong form, for an admin and an operator
	@sh .ci/environment test
	NETMON_TEST_FUZZ=1 $(PYTHON_IN_VENV) -m pytest -n 2 tests/contract/test_schema.py tests/contract/test_schema_devices.py

browser: ## a real browser
	@sh .ci/environment test
	@sh .ci/packages
	$(PYTHON_IN_VENV) -m pytest --dist loadfile tests/browser

check: lint types contracts migrations schema vendor ## everything that needs no test run

lint:
	@sh .ci/environment test
	$(PYTHON_IN_VENV) -m ruff check .
	$(PYTHON_IN_VENV) -m ruff format --check .

types:
	@sh .ci/environment test
	NETMON_VAR_DIR=.venv/check $(PYTHON_IN_VENV) -m mypy

contracts:
	@sh .ci/environment test
	NETMON_VAR_DIR=.venv/check .venv/bin/lint-imports

migrations:
	@sh .ci/environment test
	NETMON_VAR_DIR=.venv/check $(PYTHON_IN_VENV) manage.py makemigrations --check --dry-run
	NETMON_VAR_DIR=.venv/check $(PYTHON_IN_VENV) manage.py check --fail-level WARNING

schema:
	@sh .ci/environment test
	NETMON_VAR_DIR=.venv/check $(PYTHON_IN_VENV) manage.py spectacular --validate --fail-on-warn --file /dev/null

vendor:
	@sh .ci/environment test
	$(PYTHON_IN_VENV) .ci/vendor.py check

lock: ## write the locks anew from requirements/*.in (needs uv)
	for name in base test optional; do \
	  uv pip compile --quiet --python-version 3.11 --universal --only-binary :all: --generate-hashes --no-header \
	    --no-emit-index-url --custom-compile-command "make lock" \
	    $$([ $$name = base ] || echo "-c requirements/base.txt") requirements/$$name.in -o requirements/$$name.txt || exit 1; \
	done

format: ## lint's repairs
	@sh .ci/environment test
	$(PYTHON_IN_VENV) -m ruff check --fix .
	$(PYTHON_IN_VENV) -m ruff format .

bench-timeseries: ## the sample store against its targets
	@sh .ci/environment test
	NETMON_VAR_DIR=.venv/bench $(PYTHON_IN_VENV) bench/timeseries.py

bench-secrets: ## what stored secrets cost, and 10,000 of them rotated while they are read
	@sh .ci/environment test
	NETMON_VAR_DIR=.venv/bench $(PYTHON_IN_VENV) bench/stored_secrets.py

bench-inventory: ## lists, search and import of 10,000 devices against their targets
	@sh .ci/environment test
	$(PYTHON_IN_VENV) bench/inventory.py

bench-ssh: ## one script for all commands beside netmiko's shell, and 200 hosts in rounds
	@sh .ci/environment test
	@sh .ci/packages
	$(PYTHON_IN_VENV) bench/ssh.py

bench-alerts: ## a thousand rules against ten thousand devices, ten thousand alerts opened by one cut, and 500 on a page
	@sh .ci/environment test
	$(PYTHON_IN_VENV) bench/alerts.py

bench-scan: ## port scans and sweeps beside nmap, in a lab of fifty hosts (root; some minutes)
	@sh .ci/environment test
	@sh .ci/packages
	$(PYTHON_IN_VENV) bench/scan.py

bench-vyos: ## machines at a simulated VyOS router, beside a commit for each line
	@sh .ci/environment test
	$(PYTHON_IN_VENV) bench/vyos.py

clean: ## the environment and caches; never the data under var/
	rm -rf .venv .pytest_cache .ruff_cache .mypy_cache .import_linter_cache
