# Every target sets up what it needs in .venv, from nothing but Python 3.11 or later and make.
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
READY := $(VENV)/.ready
WORKERS ?= 2

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-slow test-lowest gpu-check check bench docs clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY) ## Create .venv with the exact versions of constraints.txt

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "make needs Python 3.11 or later; say make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet --constraint constraints.txt torch==2.13.0
	$(RUN) -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	$(RUN) -m pip install --quiet --no-deps allofplos==0.11.1 NERO-nlp==0.0.8
	@touch $(READY)

demo: $(READY) ## Text to scored BERT and report: runs/demo/report.html (5 to 9 minutes on two cores)
	$(RUN) scripts/run_recipe.py configs/demo.yaml

test: $(READY) ## All tests that a laptop can run
	$(RUN) -m pytest -m "not slow" --numprocesses $(WORKERS) --dist loadfile

test-slow: $(READY) ## The heavy tests: two processes, killed builds, seeded bugs
	$(RUN) -m pytest -m slow

test-lowest: ## The tests with the lowest versions of pyproject.toml (torch aside), in .venv-lowest
	$(PYTHON) -m venv .venv-lowest
	.venv-lowest/bin/python -m pip install --quiet torch==2.13.0
	.venv-lowest/bin/python -m pip install --quiet $$($(PYTHON) tests/support/lowest_versions.py) --editable '.[dev]'
	.venv-lowest/bin/python -m pip install --quiet --no-deps allofplos==0.11.1 NERO-nlp==0.0.8
	.venv-lowest/bin/python -m pytest -m "not slow" --numprocesses $(WORKERS) --dist loadfile

gpu-check: $(READY) ## The tests that need a GPU, then a table of its speed (about 10 minutes)
	$(RUN) -m pytest tests/gpu -rs
	$(RUN) benchmarks/gpu.py

check: $(READY) ## Lint, format and types
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy

bench: $(READY) ## The pair builder next to transformers 4.57 and the original BERT script
	$(RUN) benchmarks/pairs.py

docs: $(READY) ## The documents as a site: site/index.html
	$(RUN) -m pip install --quiet '.[docs]'
	$(RUN) -m mkdocs build --strict --quiet

clean: ## Remove .venv and all caches; runs/ stays
	rm -rf $(VENV) .venv-lowest build *.egg-info .pytest_cache .ruff_cache .mypy_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
