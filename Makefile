# PromoPulse needs Python 3.11 or newer, and nothing else that is not installed from here.
.DEFAULT_GOAL := help
.PHONY: help run test quick faults check bench demo pictures openapi lock clean venv venv-dev
MAKEFLAGS += --no-print-directory

# The first Python that is new enough; if none is, the plain one, which then says so itself.
PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo $$python && exit; done; echo python3)
# Every program is run as a module: scripts in a folder whose path has a space are fragile.
IN_VENV := .venv/bin/python -m
ARGS ?=

help: ## Show what can be made
	@sed -n 's/^\([a-z-]*\):.*## /\1|/p' Makefile | while IFS='|' read -r name words; do \
		printf '  make %-8s %s\n' "$$name" "$$words"; done

run: venv ## Start everything in the foreground: http://127.0.0.1:8000
	@DEMO=$${DEMO-1} exec $(IN_VENV) promopulse.launcher run

demo: venv ## Build the demo world again in the running instance
	@DEMO=1 .venv/bin/python manage.py demo $(ARGS)

# One process has the tests that kill and wait, the other all the rest.
IN_TWO := -n 2 --dist loadgroup

test: venv-dev ## Run the tests; choose some with ARGS="-k words"
	@exec $(IN_VENV) pytest $(or $(ARGS),$(IN_TWO))

quick: venv-dev ## Run the everyday tests: all but those of browsers and faults and the slow
	@exec $(IN_VENV) pytest -n 2 -m "not slow and not faults and not browser" $(ARGS)

faults: venv-dev ## Kill, fill and cut off everything, at full length: the better part of an hour
	@FAULTS=whole exec $(IN_VENV) pytest -m faults $(ARGS)

check: venv-dev ## Format, lint, types, import arrows, migrations, OpenAPI, deploy settings
	@exec $(IN_VENV) promopulse.launcher.checks

pictures: venv-dev ## Take the pictures of the documents again, with Chromium
	@exec $(IN_VENV) promopulse.tests.browser.pictures

openapi: venv-dev ## Write docs/openapi.yaml after a change of the API
	@exec $(IN_VENV) promopulse.launcher.checks openapi

bench: venv-dev ## Measure the speed table on this machine
	@exec $(IN_VENV) benchmarks $(ARGS)

venv:
	@$(PYTHON) -m promopulse.launcher.bootstrap

venv-dev:
	@$(PYTHON) -m promopulse.launcher.bootstrap --dev

lock: venv-dev ## Renew the lock files from requirements*.txt
	@$(IN_VENV) uv pip compile $(LOCK) requirements.txt -o requirements.lock
	@$(IN_VENV) uv pip compile $(LOCK) -c requirements.lock requirements-sqs.txt \
		-o requirements-sqs.lock
	@$(IN_VENV) uv pip compile $(LOCK) -c requirements-sqs.lock requirements-dev.txt \
		-o requirements-dev.lock

# No index address is written down: a lock serves every mirror.
LOCK := --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	--no-emit-index-url --no-emit-find-links $(ARGS)

clean: ## Remove what can be made again; data and secrets stay
	@rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage htmlcov staticfiles
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
