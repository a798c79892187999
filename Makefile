# make eval    the first evaluation, from nothing: needs Python 3.11 or newer and a package index
# make test    ruff, mypy --strict, pytest
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.13 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
PIP := PIP_CONSTRAINT=constraints.txt PIP_DISABLE_PIP_VERSION_CHECK=1 $(BIN)/python -m pip install --quiet --retries 5

# A core per worker, files whole and in their order: the longest, which encodes with e5, begins early.
PYTEST = OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n logical --dist loadfile --no-loadscope-reorder

.PHONY: eval test check lint types results results-real leaderboard findings docs bench lock clean

eval: $(VENV)/.eval
	$(BIN)/xqgbench eval --model e5-small --augment xqg

test: $(VENV)/.dev lint types
	$(PYTEST)

check: $(VENV)/.dev lint types
	$(PYTEST) -m "not models and not slow"

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/mypy

ALPHAS := 0,0.05,0.1,0.15,0.2,0.25,0.3,0.4,0.5,0.6,0.7,0.8,0.9,1

# Every committed result, made again from nothing but the code and the bundled task.
results: $(VENV)/.dev
	for model in e5-small use-m3 minilm-en; do \
	  $(BIN)/xqgbench eval --model $$model --augment xqg --store $(VENV)/fresh-store || exit 1; \
	  for setting in reduce=mean reduce=mean,languages=query; do \
	    $(BIN)/xqgbench sweep --model $$model --augment xqg:$$setting --over alpha=$(ALPHAS) --store $(VENV)/fresh-store || exit 1; \
	  done; \
	done; rm -rf $(VENV)/fresh-store
	$(MAKE) leaderboard findings

# The committed results on real data; DATA is a folder with xquad/, afriqa/, miracl/ and miracl-sample/ (docs/tasks.md).
XQUAD := ar,de,es,hi,ru,zh
REAL = $(BIN)/xqgbench eval --data-dir $(DATA) --quiet
results-real: $(VENV)/.dev
	test -d "$(DATA)" || { echo "say where the data are: make results-real DATA=FOLDER"; exit 1; }
	for model in e5-small use-m3 minilm-en; do \
	  $(REAL) --model $$model --task xquad --languages $(XQUAD) || exit 1; \
	  $(REAL) --model $$model --task xquad-mono --languages $(XQUAD),en || exit 1; \
	  $(REAL) --model $$model --task afriqa,miracl-sample || exit 1; \
	  for setting in languages=ar+de+es+hi+ru+zh alpha=0.2,reduce=mean,languages=query; do \
	    $(REAL) --model $$model --task xquad-human --languages $(XQUAD) --augment xqg:$$setting || exit 1; \
	  done; \
	done
	$(MAKE) leaderboard

# The tables and the figure of tasks/xqg-mini/FINDINGS.md, from the results.
findings: $(VENV)/.dev
	$(BIN)/python docs/write_findings.py

leaderboard: $(VENV)/.eval
	$(BIN)/xqgbench leaderboard

docs: $(VENV)/.eval
	$(BIN)/python docs/write_cli.py

bench: $(VENV)/.dev
	for file in benchmarks/bench_*.py; do $(BIN)/python $$file || exit 1; done

# Exact versions of everything `make` installs, without addresses.
lock: $(VENV)/.dev
	echo "# Exact versions of everything that 'make eval' and 'make test' install; made by 'make lock'." > constraints.txt
	$(BIN)/python -m pip freeze --exclude-editable --exclude xqgbench | sed 's/+cpu$$//' >> constraints.txt

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed; say which: make PYTHON=...") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.eval: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) --editable '.[e5]'
	touch $@

# torch comes first and alone, so that no other requirement chooses a build of it.
$(VENV)/.dev: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) "$$(grep '^torch==' constraints.txt)"
	$(PIP) --editable '.[e5,dev]'
	touch $@ $(VENV)/.eval

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache build dist
