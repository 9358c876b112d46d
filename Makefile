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
	@mkdir -p $(DEMO)
	$(BIN)/spiketrack-export nano --out $(DEMO)/nano --force
	$(BIN)/spiketrack simulate $(DEMO)/nano --frames 30 --out $(DEMO)/run --force
	$(BIN)/spiketrack verify $(DEMO)/nano --checkpoint nano --frames 10 --json $(DEMO)/verify.json
	$(BIN)/spiketrack energy $(DEMO)/run --json $(DEMO)/energy.json --csv $(DEMO)/energy.csv
	$(BIN)/spiketrack map $(DEMO)/nano --run $(DEMO)/run --json $(DEMO)/map.json > $(DEMO)/map.txt
	$(BIN)/spiketrack report $(DEMO)/run --verify $(DEMO)/verify.json --map $(DEMO)/map.json --out $(DEMO)/report.html
	@echo "Files: $(DEMO)/nano (NIR graphs, manifest), $(DEMO)/run (boxes, counts),"
	@echo "       $(DEMO)/verify.json, $(DEMO)/energy.json, $(DEMO)/energy.csv, $(DEMO)/map.json,"
	@echo "       $(DEMO)/report.html: open it in a browser"

test: setup-test
	$(BIN)/pytest

lint: setup-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf $(DEMO) build dist *.egg-info
