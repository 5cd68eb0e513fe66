# Each target makes its own environment and installs what it needs.
PYTHON ?= python3
BIN := .venv/bin
# Hundreds of processes import the suite: they find it compiled, whatever the caller has set.
unexport PYTHONDONTWRITEBYTECODE
# The seed of the random programs that `make test` runs: the day that parity/meta/shares.py chooses the shares by.
TODAY := from datetime import date; print(date.today().toordinal() % 12)
DAY := $(or $(filter 0 1 2 3 4 5 6 7 8 9 10 11,$(PARITY_PART)),$(shell $(PYTHON) -c '$(TODAY)'))

.PHONY: parity test campaign benchmark lint docs clean

parity: .venv/installed
	$(BIN)/python -m pytest parity

test: .venv/installed
	$(BIN)/python -m pytest parity steering_core reports fixtures -n 2 --programs 50 --program-seed $(DAY)
	$(BIN)/python -m pytest parity/meta -n 2 -q

# The long forms: every fault on every clause, every correct tool, and tests that draw at random. `make test` runs short
# ones, and a share of the faults, tools, families and conclusions a day: see parity/meta/shares.py.
campaign: .venv/installed
	for seed in 0 1 2 3; do $(BIN)/python -m pytest parity -k programs -n 2 -q --program-seed $$seed || exit 1; done
	PARITY_PART=all PARITY_FAULTS=all $(BIN)/python -m pytest parity/meta -n 2 -q
	PARITY_FUZZ=2000 $(BIN)/python -m pytest reports/tests/test_fuzz.py -q
	PARITY_KILLS=40 $(BIN)/python -m pytest parity/meta/test_resume.py -n 2 -q
	PARITY_KILLS=80 $(BIN)/python -m pytest parity/meta/test_random_kills.py -q
	$(BIN)/python -m parity.meta.mutation_campaign --sample 300 --workers 2 --minutes 60

# Ratios of times on this machine; README's tables are made from them.
benchmark: .venv/installed
	$(BIN)/python -m parity.benchmark cpu

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy .

# The site of docs/ in build/site; a broken link ends it.
docs: .venv/installed
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

.venv/installed: constraints.txt pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt torch==2.13.0
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev,docs,nnsight,pyvene,quantization,tracking]'
	touch $@

clean:
	rm -rf .venv
