# Needs make and Python 3.11 or newer. Everything else comes from pyproject.toml, by pip, into $(VENV):
# one stamp file a dependency group, so that a second call installs nothing.

VENV ?= .venv
# The first of these that is 3.11 or newer; `make PYTHON=/path/to/python3` overrides.
PYTHON ?= $(shell for p in python3 python python3.14 python3.13 python3.12 python3.11; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && { echo "$$p"; break; }; done)
BIN := $(VENV)/bin

# More arguments for pytest: make test ARGS="-k sse". They stand last, so that "-n 0" runs the tests in this process.
ARGS ?=
# The tests run in three processes for two cores, at most eight (tests/conftest.py); one that has nothing left takes over tests of another.
SPREAD ?= -n auto --maxprocesses 8 --dist worksteal
# How many generated examples: quick (a fifth) or whole. STREAMKIT_EXAMPLES=20 in front: 20 times the whole.
TIER ?= quick
# What the tests run under: `.ci/again FOLDER` runs up to three that failed a second time, alone.
AGAIN ?=
# Rows of the test matrix: make test-matrix ROWS="bounds sdist"; all by default (.ci/matrix says which there are).
ROWS ?=
# The group with the clients that are tested against: `make test VENV=.venv-niquests CLIENTS=niquests` for the one that
# does not get along with the others.
CLIENTS ?= clients
# Recorded streams for `make demo`: one of text, shown as it arrives; one of tool calls, as the response that it makes.
DEMO_TEXT ?= traces/llama.cpp/plain.trace.jsonl
DEMO ?= traces/llama.cpp/tool_parallel.trace.jsonl
# Which benches: make bench BENCHES=benches/bench_sse.py
BENCHES ?= benches
BENCH = $(BIN)/python -m pytest $(BENCHES) -W default --benchmark-only --benchmark-disable-gc --benchmark-max-time=0.5 \
	--benchmark-sort=min --benchmark-columns=min,median,iqr,rounds
# What `make bench-compare` compares with: a number or id under .benchmarks, or a file; by default the latest run.
BASE ?=
# Which frameworks `make test-integrations` runs: FRAMEWORKS="openai langchain"; all by default.
FRAMEWORKS ?=
# How long `make fuzz` looks, for all targets together; which targets, and more arguments for fuzz/run.py, in ARGS.
MINUTES ?= 10

# Where it is set, each of the hundred processes that the tests start compiles the package anew: 25 % of the CPU time.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo test test-all test-matrix test-integrations lint format bench bench-compare ratios performance corpora docs fuzz dist clean
.NOTPARALLEL:
.DELETE_ON_ERROR:

help:
	@echo "make demo           assemble recorded streams: text as it arrives, then tool calls as JSON (DEMO=file)"
	@echo "make test           run the tests, with a fifth of the generated examples (ARGS=... for pytest)"
	@echo "make test-all       run the tests with all of them"
	@echo "make test-matrix    run the tests at the lower bounds, from the sdist, on other Pythons (ROWS=... for some)"
	@echo "make test-integrations  run agent frameworks on the streams of senders, by their pages (FRAMEWORKS=... for some)"
	@echo "make lint           ruff, the words of docs/words.toml, mypy, basedpyright over typing_tests/, and the schemas of .github/"
	@echo "make format         let ruff rewrite what it can"
	@echo "make bench          run the benches and store the run under .benchmarks/"
	@echo "make bench-compare  run them against a stored run (BASE=number or file; the latest by default)"
	@echo "make ratios         every figure beside its goal, openai-python and other peers (ARGS=\"shapes memory\" for some)"
	@echo "make performance    the same, into docs/performance.md"
	@echo "make corpora        the kernel of corpora, and Ray and Spark running it (ARGS=\"kernel engines --rows 50000\")"
	@echo "make docs           build the docs site into build/site; a warning, a dead link or a missing name fails it"
	@echo "make fuzz           coverage-guided fuzzing with atheris (MINUTES=10; ARGS=\"text codec --seed 1\" for some)"
	@echo "make dist           build, check and try what is released, twice the same bytes (ARGS=\"--tests every\")"
	@echo "make clean          remove what these commands made"

demo: $(VENV)/.has-streamkit
	$(BIN)/streamkit assemble --stream $(DEMO_TEXT)
	$(BIN)/streamkit assemble $(DEMO)

test: $(VENV)/.has-test $(VENV)/.has-$(CLIENTS)
	STREAMKIT_EXAMPLES=$${STREAMKIT_EXAMPLES-$(if $(filter whole,$(TIER)),1)} $(AGAIN) $(BIN)/python -m pytest $(SPREAD) $(ARGS)

test-all:
	@$(MAKE) --no-print-directory test TIER=whole

test-matrix: $(VENV)/.made
	$(BIN)/python .ci/matrix $(ROWS)

test-integrations: $(VENV)/.has-streamkit
	PYTHONPATH=tests $(BIN)/python -m frameworks.matrix $(FRAMEWORKS) $(ARGS)

lint: $(VENV)/.has-lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python docs/check_words.py
	$(BIN)/mypy --strict src typing_tests
	MYPYPATH=fuzz $(BIN)/mypy --strict fuzz
	@if [ -d typing_tests ]; then echo "$(BIN)/basedpyright"; $(BIN)/basedpyright; fi
	@if [ -d .github ]; then \
		$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml && \
		$(BIN)/check-jsonschema --builtin-schema vendor.github-issue-forms .github/ISSUE_TEMPLATE/[0-9]*.yml && \
		$(BIN)/check-jsonschema --builtin-schema vendor.github-issue-config .github/ISSUE_TEMPLATE/config.yml && \
		$(BIN)/check-jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml; fi

format: $(VENV)/.has-lint
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.has-bench
	$(BENCH) --benchmark-autosave $(ARGS)

bench-compare: $(VENV)/.has-bench
	$(BENCH) --benchmark-compare$(if $(BASE),=$(BASE)) $(ARGS)

ratios: $(VENV)/.has-bench
	$(BIN)/python benches/ratios.py $(ARGS)

performance: $(VENV)/.has-bench
	$(BIN)/python benches/ratios.py --into docs/performance.md $(ARGS)

corpora: $(VENV)/.has-bench $(VENV)/.has-engines
	$(BIN)/python benches/corpora.py $(ARGS)

# From nothing each time (-E): what autodoc read of the source is no part of Sphinx's own bookkeeping.
docs: $(VENV)/.has-docs
	rm -rf build/site
	$(BIN)/python -m sphinx -W --keep-going -E -q -j auto -b html -d build/doctrees docs build/site $(ARGS)

fuzz: $(VENV)/.has-fuzz
	$(BIN)/python fuzz/run.py --minutes $(MINUTES) $(ARGS)

dist: $(VENV)/.made
	$(BIN)/python .ci/package $(ARGS)

clean:
	rm -rf .venv .venv-integrations build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.made:
	@test -n "$(PYTHON)" || { echo "streamkit needs Python 3.11 or newer: make PYTHON=/path/to/python3" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

# Python 3.11 brings an older pip than dependency groups need.
$(VENV)/.has-groups: | $(VENV)/.made
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "pip>=25.1"
	@touch $@

$(VENV)/.has-streamkit: pyproject.toml | $(VENV)/.made
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	@touch $@

# With the package itself, so that pip chooses versions that suit both.
$(VENV)/.has-%: pyproject.toml | $(VENV)/.has-groups
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e . --group $*
	@touch $@
