# The only entry for people and for CI: `make help` lists the verbs.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3.11
VENV := .venv
PY := $(VENV)/bin/python
TLIMB := $(VENV)/bin/tlimb
STAMP := $(VENV)/.tlimb-setup
UV := .tools/uv/bin/uv
NEXTFLOW := .tools/nextflow
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/tlimb
KUBERNETES := $(CACHE)/kubernetes/$(shell cat requirements/kubernetes/go.* | sha256sum | head -c 16)
NODE := .tools/node/.tlimb-setup
SLURM := slurmctld slurmd slurm-client munge
PODMAN := podman runc mmdebstrap
NF_CORE := nf-core==4.2.1
# Files of tests share nothing, so they run side by side; the tests of one file stay together, for their fixtures' sake.
# Two cores are kept busy by three workers, since tests of engines wait. Which files begin is said in tests/rooms.py.
WORKERS ?= 3
PYTEST := $(PY) -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder
COMPILE_ROOMS := describe language cohorts plan store backends problems

.PHONY: pictures help setup editors demo test test-all check lint types layers quick fast generate golden dist bench docs template format clean nextflow slurm podman test-kubernetes test-container test-nf-core test-gpu

help: ## list the verbs
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# uv comes from the registry by its pinned hash. A Debian without ensurepip still has pip or can borrow a uv from PATH.
$(UV): requirements/uv.txt
	@rm -rf .tools/uv && mkdir -p .tools
	@if $(PYTHON) -m pip --version >/dev/null 2>&1; then \
	  $(PYTHON) -m pip install --quiet --disable-pip-version-check --require-hashes --target .tools/uv -r requirements/uv.txt; \
	elif $(PYTHON) -c 'import ensurepip' 2>/dev/null; then \
	  $(PYTHON) -m venv .tools/uv && .tools/uv/bin/python -m pip install --quiet --require-hashes -r requirements/uv.txt; \
	elif command -v uv >/dev/null; then \
	  mkdir -p .tools/uv/bin && ln -s "$$(command -v uv)" $(UV); \
	else \
	  echo "make: this Python has neither pip nor ensurepip; run: apt-get install python3-pip" >&2; exit 69; \
	fi
	@touch $(UV)

# Bytecode is compiled once here: without it, importing torch and Lightning costs three times as much in every process
# of a machine on which Python may not write it.
$(STAMP): requirements/dev.txt pyproject.toml $(UV)
	@begin=$$(date +%s); set -e; \
	test -x $(PY) || $(UV) venv --quiet --python $(PYTHON) $(VENV); \
	VIRTUAL_ENV=$(VENV) $(UV) pip install --compile-bytecode --require-hashes -r requirements/dev.txt; \
	VIRTUAL_ENV=$(VENV) $(UV) pip install --quiet --no-deps -e .; \
	$(PY) -m compileall -q tlimb; \
	echo $$(( $$(date +%s) - begin )) > $(STAMP)

# Nextflow's own launcher fetches one large archive; its parts are published one by one and pinned in a pom.xml. A first
# run lets Java keep the classes that it has read: later ones start in two thirds of the time.
$(NEXTFLOW)/nextflow: requirements/nextflow/pom.xml requirements/nextflow/nextflow.sh requirements/nextflow/first.nf
	@command -v mvn >/dev/null || { echo "make: Maven is needed; run: apt-get install maven" >&2; exit 69; }
	@rm -rf $(NEXTFLOW) && mkdir -p $(NEXTFLOW)
	@for set in a b; do \
	  mvn -q -B -Dstyle.color=never -f requirements/nextflow/pom.xml -P $$set -DoutputDirectory=$(CURDIR)/$(NEXTFLOW)/$$set \
	    org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies || exit 69; \
	done
	@install -m 755 requirements/nextflow/nextflow.sh $@+
	@for set in a b; do \
	  (cd $(NEXTFLOW) && TLIMB_NEXTFLOW_KEEP=1 TLIMB_NEXTFLOW_SET=$$set ./nextflow+ -q run \
	    -w first $(CURDIR)/requirements/nextflow/first.nf >/dev/null) || exit 69; \
	done
	@rm -rf $(NEXTFLOW)/first $(NEXTFLOW)/.nextflow* && mv $@+ $@

nextflow: ## make a Nextflow for the tests, from its Maven artifacts, unless there is one on the PATH
	@command -v nextflow >/dev/null || $(MAKE) --no-print-directory $(NEXTFLOW)/nextflow

# Tests of editors drive the language server that editors use. Without npm they are skipped, but not in CI.
$(NODE): tests/editors/package.json
	@rm -rf .tools/node && mkdir -p .tools/node && cp tests/editors/package.json .tools/node/
	@if command -v npm >/dev/null && npm install --prefix .tools/node --no-package-lock --ignore-scripts --no-audit \
	  --no-fund --loglevel=error; then touch $(NODE); \
	elif [ "$$CI" = true ]; then echo "make: CI needs npm and its registry for the tests of editors" >&2; exit 69; \
	else echo "make: no npm or no registry, so the tests of editors will be skipped" >&2; fi

# A real Slurm for the tests: started by them, under their own folders, and stopped by them; nothing runs as a service.
slurm: ## install Debian's Slurm for the tests, unless it is there
	@for tool in slurmctld slurmd sbatch munged; do PATH="$$PATH:/usr/sbin" command -v $$tool >/dev/null || missing=yes; done; \
	if [ -z "$$missing" ]; then exit 0; fi; \
	if [ "$$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then \
	  echo "make: no Slurm here, tests that need it are left out; as root on Debian: apt-get install $(SLURM)" >&2; exit 0; \
	fi; \
	export DEBIAN_FRONTEND=noninteractive; log=$$(mktemp); \
	{ apt-get -q update && apt-get -q install -y --no-install-recommends $(SLURM); } >$$log 2>&1 || \
	  { cat $$log >&2; echo "make: Slurm could not be installed" >&2; exit 69; }; rm -f $$log

# A real podman for the tests: images and settings in a folder of their own, nothing runs as a service.
podman: ## install Debian's podman for the tests of containers, unless it is there
	@for tool in podman runc mmdebstrap; do command -v $$tool >/dev/null || missing=yes; done; \
	if [ -z "$$missing" ]; then exit 0; fi; \
	if [ "$$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then \
	  echo "make: no podman here; as root on Debian: apt-get install $(PODMAN)" >&2; exit 69; \
	fi; \
	export DEBIAN_FRONTEND=noninteractive; log=$$(mktemp); \
	{ apt-get -q update && apt-get -q install -y --no-install-recommends $(PODMAN); } >$$log 2>&1 || \
	  { cat $$log >&2; echo "make: podman could not be installed" >&2; exit 69; }; rm -f $$log

# The first build takes five minutes and 7 GB, nearly all of it torch; a later one takes a minute.
test-container: setup nextflow podman ## build tlimb's image on a base of Debian's packages, run a study in it by podman
	TLIMB_CONTAINERS=$(CACHE)/containers TLIMB_UV=$(CURDIR)/$(UV) $(PY) -m pytest -rs tests/containers

# The programs are built as they were published, from modules pinned by go.sum, once for each set of pins: minutes, and 2 GB
# of memory. On a busy machine: GOFLAGS=-p=1 nice make test-kubernetes.
$(KUBERNETES)/.built:
	@command -v go >/dev/null || { echo "make: Go is needed, of the version in requirements/kubernetes/go.mod" >&2; exit 69; }
	@rm -rf $(@D)+ && mkdir -p $(@D)+ && echo "make: building Kubernetes, which takes minutes, into $(@D)" >&2
	@cd requirements/kubernetes && version=$$(awk '$$1 == "k8s.io/kubernetes" {print $$2}' go.mod) && \
	  CGO_ENABLED=0 go build -mod=readonly -trimpath -buildvcs=false \
	  -ldflags "-s -w -X k8s.io/component-base/version.gitVersion=$$version" -o $(@D)+/ tool
	@mv $(@D)+/server $(@D)+/etcd && touch $(@D)+/.built && rm -rf $(@D) && mv $(@D)+ $(@D)

test-kubernetes: setup $(NEXTFLOW)/nextflow $(KUBERNETES)/.built ## run a study on a real Kubernetes API, scheduler and controllers, built once from Go modules
	TLIMB_KUBERNETES=$(KUBERNETES) $(PY) -m pytest tests/kubernetes

# In an environment of its own, made once by uv: it wants other versions than ours, of many packages.
test-nf-core: setup nextflow ## nf-core's linter on the parameters of an emitted project
	TLIMB_NF_CORE="$(CURDIR)/$(UV) tool run --from $(NF_CORE) nf-core" $(PY) -m pytest -rs tests/engines/test_nf_core.py

test-gpu: setup ## tests of what runs on a GPU, on a machine that has one
	$(PY) -m pytest -rs tests/training/test_cuda.py tests/components/test_augments_cuda.py

setup: $(STAMP) ## make .venv with every pinned package, verified by hash

editors: $(NODE) ## install the YAML language server that the tests of editors drive

demo: setup ## phantom, validate, plan, run, rank, pictures: everything once, into demo/
	@$(PY) -m benchmarks.demo

test: setup nextflow editors slurm ## run the tests but the long ones
	$(PYTEST) -m "not long"

test-all: setup nextflow editors slurm ## run every test
	$(PYTEST)

check: lint types layers test ## everything that must hold before a change is merged

lint: setup ## ruff, linter and formatter
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .

format: setup ## let ruff rewrite what it can
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

types: setup ## mypy --strict
	$(VENV)/bin/mypy --strict tlimb

layers: setup ## which room may import which
	$(VENV)/bin/lint-imports --no-cache

quick: setup ## the tests of some rooms, without engines: ROOM=plan, or ROOM="plan store" UP=1 for all that imports them
	@folders=$$($(PY) tests/rooms.py $(ROOM) $(if $(UP),--up)) && $(PYTEST) -m "not long and not system" $$folders

fast: ## the tests of the compile rooms only
	@$(MAKE) --no-print-directory quick ROOM="$(COMPILE_ROOMS)"

generate: setup ## write schema/, the catalogue and the language reference from the code
	$(PY) -m tlimb.export

pictures: setup ## draw the pictures of augmentations in docs/pictures anew
	$(PY) -m tlimb.export.pictures

golden: setup ## rewrite expected outputs, then read the difference before you commit it
	TLIMB_REGEN=1 $(PY) -m pytest -k golden
	git --no-pager diff --stat

dist: setup ## build the wheel and try it in an empty environment, far from the checkout
	rm -rf dist && $(UV) build --quiet --wheel --out-dir dist
	TLIMB_WHEEL=$$(echo $(CURDIR)/dist/*.whl) TLIMB_UV=$(CURDIR)/$(UV) $(PY) -m pytest tests/packaging

bench: setup nextflow ## every benchmark case against its peer
	$(PY) -m benchmarks.run all

docs: generate ## check that links and fenced specs in docs/ and README are right
	$(PY) -m pytest tests/test_house_rules.py tests/packaging/test_docs.py

template: setup ## derive the phantom's template anew
	$(PY) -m tlimb.phantom.template

clean: ## remove what make made, but no data and no store
	rm -rf $(VENV) .tools dist build demo .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
