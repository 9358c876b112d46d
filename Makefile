# PYTHON=3.11 takes that one, in .venv-3.11; without it the newest of 3.10 to 3.13 that is found, for
# demo the newest with a CPU build of torch. TORCH=cuda takes torch with CUDA, in .venv-cuda.
VENV ?= .venv$(if $(PYTHON),-$(PYTHON))$(if $(filter cuda,$(TORCH)),-cuda)
export TORCH
# tests start hundreds of processes: none compiles what another did, whatever the caller's habit
export PYTHONDONTWRITEBYTECODE :=
BIN := $(VENV)/bin
DEMO ?= demo-run
JOBS ?= $(shell nproc)
PYTHONS ?= 3.10 3.11 3.12 3.13
# a worker takes whole files, whose fixtures are shared
PYTEST := $(BIN)/pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder
# the files with such tests: the others import what the oldest environment lacks
PLATFORM = $(shell grep -rlE 'mark\.(platform|limited)' tests --include='test_*.py')

.DEFAULT_GOAL := help
.PHONY: help demo quick test fuzz mutation platform oldest matrix bare lint docs setup setup-test clean

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: setup  ## the main job: nano on a real clip, on Lava, verified, priced, placed, reported
	$(BIN)/spiketrack run nano --frames 30 --out $(DEMO)

quick: setup-test  ## a first answer: tests of every folder, none of Lava, a browser or whole networks
	$(PYTEST) -m "not lava and not browser and not slow"

test: setup-test  ## every test
	$(PYTEST)

platform: setup-test  ## what must hold on every Python: counts, operators, Lava, float reference, training
	$(PYTEST) -m "platform or limited" $(PLATFORM)
	@mkdir -p build/platform
	$(BIN)/spiketrack-export nano --out build/platform/nano --force
	$(BIN)/spiketrack verify build/platform/nano --frames 3 --backends integer,inline,lava,onnx

oldest:  ## the same with the oldest release of every range, on Python 3.10
	PYTHON=3.10 CONSTRAINTS=constraints/oldest.txt sh tools/setup.sh .venv-oldest platform
	.venv-oldest/bin/pytest -n $(JOBS) --dist loadfile -m platform $(PLATFORM)

matrix: export SPIKETRACK_LONG := 1
matrix: oldest  ## the same on every supported Python, each in an environment of its own
	for version in $(PYTHONS); do $(MAKE) platform PYTHON=$$version || exit 1; done

bare: setup  ## the wheel alone in an environment of its own, and the commands that need no extra
	sh tools/bare_wheel.sh $(BIN)/python constraints/python$$($(BIN)/python -c 'import sys; print("%d.%d" % sys.version_info[:2])').txt

fuzz: setup-test  ## mutate inputs of every kind, TRIES cases of each
	$(BIN)/python tools/fuzz.py --tries $(or $(TRIES),300)

mutation: setup-test  ## change one small thing after the other: does a test notice? NUMBER, SEED
	sh tools/setup.sh $(VENV) test,mutation
	$(BIN)/python tools/mutation.py --number $(or $(NUMBER),40) --seed $(or $(SEED),1)

lint: setup-test  ## ruff, and mypy with the packages of Python 3.10, which type a module's parts as Any
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	if $(BIN)/python -c 'import sys; sys.exit(sys.version_info[:2] != (3, 10))'; then $(BIN)/mypy; \
	else $(MAKE) setup-test PYTHON=3.10 && .venv-3.10/bin/mypy; fi

docs: setup-test  ## the reference of every module, in build/docs/index.html
	$(BIN)/python tools/api_pages.py build/docs

setup: $(VENV)/.installed  ## the environment that demo needs, 1.7 GB; TORCH=cuda: with CUDA, 5.7 GB

$(VENV)/.installed: pyproject.toml tools/setup.sh $(wildcard constraints/*.txt)
	sh tools/setup.sh $(VENV)
	@touch $@

setup-test: $(VENV)/.installed-test

$(VENV)/.installed-test: pyproject.toml tools/setup.sh $(wildcard constraints/*.txt)
	sh tools/setup.sh $(VENV) test
	@touch $@ $(VENV)/.installed

clean:  ## remove what demo and builds left
	rm -rf $(DEMO) build dist *.egg-info
