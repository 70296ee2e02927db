# Everything a newcomer needs: `make help`.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
PYTHON ?= python3
BIN := .venv/bin
COMPILE := .cache/uv/bin/uv pip compile --universal --python-version 3.11 --generate-hashes \
  --no-annotate --no-header --quiet --upgrade
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help demo test setup lint types unit bench kafka postgres docs site assets pictures k8s image sbom lock clean

help:  ## List all targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

demo: .venv/run  ## Start everything in one process with live bilingual traffic; Ctrl-C stops it
	@$(BIN)/guichet demo

test: .venv/dev  ## Run every test, with real Kafka and PostgreSQL where they can be had
ifdef ARGS
	@$(BIN)/python -m pytest $(ARGS)
else  # to train the model takes one core for minutes: beside the others
	@mkdir -p .cache; others=0; trained=0; \
	  $(BIN)/python -m pytest -q -m training > .cache/training.log 2>&1 & training=$$!; \
	  $(BIN)/python -m pytest -m "not training" || others=$$?; \
	  wait $$training || trained=$$?; cat .cache/training.log; exit $$((others || trained))
endif

setup: .venv/dev  ## Create the environment for development

lint: .venv/dev  ## Style, formatting, import arrows, file sizes
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports --no-cache | tail -n 8
	@git ls-files -z '*.py' | xargs -0 wc -l | awk '$$2 != "total" && $$1 > 400 \
	  { print $$2 " has " $$1 " lines; 400 are allowed: it may hold two rooms"; long = 1 } END { exit long }'

types: .venv/dev  ## mypy, strict
	@$(BIN)/mypy

unit: .venv/dev  ## The tests that need only Python: seconds
	@$(BIN)/python -m pytest -q tests/unit $(ARGS)

bench: .venv/dev  ## Measure, beside the floors, and rewrite docs/benchmarks.md
	@$(BIN)/guichet bench all

kafka: .venv/dev  ## A real Apache Kafka for development, without containers
	@$(BIN)/python -m tests.servers kafka

postgres: .venv/dev  ## A real PostgreSQL for development, without containers
	@$(BIN)/python -m tests.servers postgres

docs: .venv/dev  ## Generate docs/reference from the code
	@$(BIN)/python -m docs.generate

site: .venv/dev .cache/zensical/ready  ## Build the documentation as a site, in site/
	@$(BIN)/python -m docs.site
	@cd .cache/site && NO_COLOR=1 $(CURDIR)/.cache/zensical/bin/zensical build --strict
	@$(BIN)/python -m docs.site --built

assets: .venv/dev  ## Generate dashboards, rules, alarms and manifests from the code
	@$(BIN)/python -m deploy.prometheus.generate
	@$(BIN)/python -m deploy.grafana.generate
	@$(BIN)/python -m deploy.k8s.generate

pictures: .venv/dev  ## Draw the dashboards for the docs, from the demo: needs Prometheus, PostgreSQL, Chromium
	@$(BIN)/python -m tests.pictures

k8s: .venv/dev .cache/deploy/ready  ## Render and check manifests, compose.yaml and the Dockerfile; needs no cluster and no Docker
	@$(BIN)/python -m deploy.k8s.generate --check
	@PATH="$(CURDIR)/$(BIN):$$PATH" .cache/deploy/bin/python -m deploy.k8s.check
	@.cache/deploy/bin/python -m deploy.compose.check
	@.cache/deploy/bin/hadolint deploy/Dockerfile && echo "deploy/Dockerfile: hadolint has nothing to say"
	@$(BIN)/python -m pytest -q -m "not slow and not kafka and not postgres" tests/deploy $(ARGS)

image: .cache/deploy/ready  ## Build the container image guichet:dev; needs Docker
	@.cache/deploy/bin/hadolint deploy/Dockerfile
	@docker build --file deploy/Dockerfile --build-arg COMMIT="$$(git rev-parse HEAD)" --tag guichet:dev .

sbom: .cache/deploy/ready  ## List what the image installs, as CycloneDX, in dist/sbom.json
	@mkdir -p dist
	@.cache/deploy/bin/cyclonedx-py requirements --output-reproducible \
	  --of JSON -o dist/sbom.json requirements/run.lock
	@echo dist/sbom.json

lock: .venv/dev  ## Pin all dependencies again, with hashes
	@$(PYTHON) -m venv .cache/uv && .cache/uv/bin/pip -q install uv
	@$(COMPILE) pyproject.toml -o requirements/run.lock
	@$(COMPILE) pyproject.toml --extra cascade --constraint requirements/run.lock -o requirements/cascade.lock
	@$(COMPILE) --group build -o requirements/build.lock
	@$(COMPILE) pyproject.toml --extra train --extra otel --group dev -o requirements/dev.lock
	@$(COMPILE) --group deploy -o requirements/deploy.lock
	@$(COMPILE) --group site -o requirements/site.lock

clean:  ## Remove the environment, caches and local data
	rm -rf .venv .cache data dist build site .mypy_cache .ruff_cache .pytest_cache .hypothesis

.venv/python:
	@echo "creating the environment in .venv"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Guichet needs Python 3.11 or newer: make PYTHON=python3.12 ..."; exit 1; }
	@$(PYTHON) -m venv .venv
	@touch $@

.venv/run: .venv/python requirements/run.lock requirements/build.lock
	@$(BIN)/python -m pip install --quiet --require-hashes -r requirements/run.lock -r requirements/build.lock
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m services.classifier.warm
	@touch $@

.venv/dev: .venv/run requirements/dev.lock requirements/cascade.lock
	@$(BIN)/python -m pip install --quiet --require-hashes -r requirements/dev.lock
	@$(BIN)/python -m pip install --quiet --require-hashes -r requirements/cascade.lock
	@touch $@

.cache/deploy/ready: requirements/deploy.lock
	@echo "creating the environment that checks deploy/ in .cache/deploy"
	@$(PYTHON) -m venv .cache/deploy
	@.cache/deploy/bin/python -m pip install --quiet --require-hashes -r requirements/deploy.lock
	@touch $@

.cache/zensical/ready: requirements/site.lock
	@echo "creating the environment that builds the site in .cache/zensical"
	@$(PYTHON) -m venv .cache/zensical
	@.cache/zensical/bin/python -m pip install --quiet --require-hashes -r requirements/site.lock
	@touch $@
