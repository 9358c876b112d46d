# make demo: the main job on a bundled checkpoint and a real clip
# make test: all tests
# Python 3.10 is found by trying candidates; see tools/setup.sh

VENV ?= .venv
BIN := $(VENV)/bin
DEMO ?= demo-run

.PHONY: demo test lint setup setup-test clean

setup: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml tools/setup.sh constraints.txt
	sh tools/setup.sh $(VENV)
	@touch $@

setup-test: $(VENV)/.installed-test

$(VENV)/.installed-test: pyproject.toml tools/setup.sh constraints.txt
	sh tools/setup.sh $(VENV) test
	@touch $@ $(VENV)/.installed

demo: setup
	$(BIN)/spiketrack-export nano --out $(DEMO)/nano --force
	$(BIN)/spiketrack simulate $(DEMO)/nano --frames 30 --out $(DEMO)/run --force
	$(BIN)/spiketrack verify $(DEMO)/nano --checkpoint nano --frames 10 --json $(DEMO)/verify.json
	$(BIN)/spiketrack energy $(DEMO)/run --json $(DEMO)/energy.json --csv $(DEMO)/energy.csv
	@echo "Files: $(DEMO)/nano (NIR graphs, manifest), $(DEMO)/run (boxes, counts),"
	@echo "       $(DEMO)/verify.json, $(DEMO)/energy.json, $(DEMO)/energy.csv"

test: setup-test
	$(BIN)/pytest

lint: setup-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf $(DEMO) build dist *.egg-info
