# Penstock's verbs. `make` alone lists them; each sets up what it needs first, once.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help demo test check wheel bench chaos fuzz services services-stop lock clean

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
# The installer and nothing else: what it installs is held by the hashes in requirements.lock.
UV := uv==0.13.8
# Images for containers set it, and each of the hundreds of processes that tests start would compile torch anew.
unexport PYTHONDONTWRITEBYTECODE
# `make demo DOCS=path`, `make test ARGS=...`: handed over as they are, spaces included.
export DOCS ARGS SEED MINUTES

help: ## list the verbs
	@echo "Penstock keeps a vector index true to its sources. Verbs:"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' Makefile

demo: $(READY) ## the main job on examples/handbook, or on your own folder: make demo DOCS=path
	@$(BIN)/python examples/demo.py $${DOCS:+"$$DOCS"}

# Three workers: the slow tests wait for processes they started, so one more than cores pays on two of them.
# A file stays with one of them: what it starts is started once. In their order: the small ones come last, to fill in.
test: $(READY) ## run all tests; narrow with make test ARGS="-k words tests/unit"
	@$(BIN)/python -m tests.support.services build
	@$(BIN)/python -m tests.support.compose_schema build
	@$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder $(ARGS)

check: $(READY) ## format, lint, types, layers, and the wheel on its own
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@$(MAKE) --no-print-directory wheel

# Our package names are generic (schemas, infra, ...), so a checkout on the path can hide a hole in the wheel. Here the
# wheel is all there is of Penstock: its dependencies are lent by a .pth line, which lends no editable install.
wheel: $(READY) ## build the wheel, import and run it from an empty folder
	@set -euo pipefail; room=$$(mktemp -d); trap 'rm -rf "$$room"' EXIT; mkdir "$$room/empty"; \
	 $(BIN)/python -m build --wheel --outdir "$$room" . >"$$room/log" 2>&1 || { cat "$$room/log"; exit 1; }; \
	 $(BIN)/python -m venv --without-pip "$$room/venv"; \
	 $(BIN)/python -m pip --python "$$room/venv/bin/python" install -q --no-deps "$$room"/*.whl; \
	 site=$$("$$room/venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))'); \
	 $(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' >"$$site/dependencies.pth"; \
	 cp tests/architecture/import_all.py "$$room/"; cd "$$room/empty"; \
	 "$$room/venv/bin/python" -P "$$room/import_all.py" "$$site"; \
	 "$$room/venv/bin/penstock" --help >/dev/null; \
	 echo "The wheel imports and runs on its own."

bench: $(READY) ## measure speed, as ratios taken in one run; one of them: make bench ARGS=chunking
	@set -e; for name in $${ARGS:-$$(basename -s .py -a benchmarks/[a-z]*.py)}; do \
	    echo "== benchmarks/$$name.py"; $(BIN)/python -m "benchmarks.$$name"; done

# With SEED or MINUTES: real processes being killed, stopped and added on real servers (docstring of tests/chaos/run.py).
# Without: the failure scenarios that take too long for `make test`.
chaos: $(READY) ## the slow failure scenarios; the long chaos run: make chaos SEED=1 MINUTES=10
	@$(BIN)/python -m tests.support.services build
	@if [ -n "$$SEED$$MINUTES" ]; then \
	    $(BIN)/python -m tests.chaos.run $${SEED:+--seed "$$SEED"} $${MINUTES:+--minutes "$$MINUTES"}; \
	 else $(BIN)/python -m pytest -m chaos $(ARGS); fi

CASES ?= 15000
fuzz: $(READY) ## try the chunker and the routing on generated documents: make fuzz CASES=20000 for each of seven properties
	@CASES=$(CASES) $(BIN)/python -m pytest -n 2 --timeout 3600 -k "within_the_limit or repeated_header or whatever_the_bytes" \
	    tests/unit/test_chunking.py tests/unit/parsing $(ARGS)

services: $(READY) ## start Kafka, Redis, PostgreSQL, S3 and Qdrant here, without containers; settings in .services.env
	@$(BIN)/python -m tests.support.services start

services-stop: $(READY) ## end exactly the servers that `make services` started; their data stays
	@$(BIN)/python -m tests.support.services stop

# uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url \
#     --group dev pyproject.toml -o requirements.lock
# Versions already locked stay; `make lock ARGS=--upgrade` renews them all, ARGS="--upgrade-package NAME" one.
lock: $(READY) ## write requirements.lock anew from pyproject.toml
	@UV_CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/uv pip compile --quiet --universal --python-version 3.11 \
	    --generate-hashes --no-header --no-emit-index-url --group dev pyproject.toml -o requirements.lock $(ARGS)

clean: ## delete what runs leave behind (.venv stays)
	@rm -rf .demo .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache build dist
	@find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +

# The stamp stands for "installed as locked"; it is older than the lock or pyproject.toml when either changed. uv is some
# times faster than pip; where it cannot be had or does not reach what pip is configured to reach, pip does it.
$(READY): requirements.lock pyproject.toml
	@fits='import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))'; \
	 for python in $(PYTHON) python3.13 python3.12 python3.11 ""; do \
	    [ -z "$$python" ] || ! "$$python" -c "$$fits" 2>/dev/null || break; done; \
	 if [ -z "$$python" ]; then \
	    echo "Penstock needs Python 3.11, 3.12 or 3.13, and found none ($(PYTHON) is $$($(PYTHON) -V 2>&1 || true))." >&2; \
	    echo "On Debian 12 or newer: apt-get install python3 python3-venv. Else: make PYTHON=/path/to/python3.12" >&2; \
	    exit 1; fi; \
	 if ! "$$python" -c 'import ensurepip, venv' 2>/dev/null; then \
	    echo "$$python cannot make virtual environments. On Debian or Ubuntu: apt-get install python3-venv" >&2; exit 1; fi; \
	 set -eo pipefail; \
	 $(BIN)/python -c "import pip; $$fits" 2>/dev/null || "$$python" -m venv --clear .venv; \
	 echo "Setting up .venv from requirements.lock. The first time takes minutes and about 6 GB, most of it torch."; \
	 index=$${PIP_INDEX_URL:-$$($(BIN)/pip config get global.index-url 2>/dev/null || true)}; \
	 [ -z "$$index" ] || export UV_DEFAULT_INDEX="$${UV_DEFAULT_INDEX:-$$index}"; \
	 { $(BIN)/pip install -q $(UV) && \
	   $(BIN)/uv pip install -q --python $(BIN)/python --require-hashes -r requirements.lock; } || \
	 { echo "uv could not; trying pip, which takes longer." >&2; \
	   $(BIN)/pip install -q --require-hashes -r requirements.lock; }; \
	 $(BIN)/pip install -q --no-deps -e .; \
	 touch $(READY)
