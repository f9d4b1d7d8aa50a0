# What people expect to type; .ci/run is what decides.
PYTHON ?= python3
BIN = .venv/bin
.PHONY: help test lint types docs pictures run dist sbom audit ci clean
.DEFAULT_GOAL := help

help:  ## List what can be made.
	@sed -n 's/^\([a-z]*\):[^#]*## \(.*\)/make \1	\2/p' Makefile | expand -t 16

.venv/ready: setup.cfg
	$(PYTHON) -m venv .venv
	$(BIN)/pip install -e '.[test,example,docs,speed]'
	touch $@

.venv/release: .venv/ready
	$(BIN)/pip install -e '.[release]'
	touch $@

test: .venv/ready  ## Run all tests; ARGS="-k filters" runs some.
	$(BIN)/python -m pytest -n 2 $(ARGS)

lint: .venv/ready  ## Check style and floors.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: .venv/ready  ## Check types.
	$(BIN)/mypy

docs: .venv/ready  ## Build the documentation into docs/_build.
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build

pictures: .venv/ready  ## Make the documentation's pictures anew.
	$(BIN)/python docs/pictures.py

run: .venv/ready  ## Run the example portal, and simulate Entra ID.
	$(BIN)/python -m example_app --simulate

dist: .venv/release  ## Build the sdist and the wheel, and check them.
	rm -rf dist
	$(BIN)/python .ci/build.py dist
	$(BIN)/python -m twine check --strict dist/*

sbom: dist  ## List what the wheel brings along, as CycloneDX.
	rm -rf sbom build/sbom
	mkdir -p sbom build
	$(PYTHON) -m venv build/sbom
	build/sbom/bin/pip install --quiet dist/*.whl
	$(BIN)/cyclonedx-py environment --output-reproducible --of JSON \
		-o sbom/flask-scim-provisioning.cdx.json build/sbom/bin/python

audit: .venv/release  ## Look for known vulnerabilities.
	$(BIN)/python .ci/audit.py

ci:  ## Run everything that has to hold.
	.ci/run

clean:  ## Remove what was made.
	rm -rf .venv build dist sbom docs/_build *.egg-info
