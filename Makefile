# Each target works from a fresh clone with Python 3.11 and make, and is quick the second time.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
# Child processes of tests need compiled files, or each compiles the package anew. Files run in order of their names, so
# that those of few and long tests are not last.
PYTEST := env -u PYTHONDONTWRITEBYTECODE OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

# make TORCH=cpu ... installs PyTorch without CUDA libraries: its version there, such as 2.14.1+cpu, counts as higher.
TORCH_INDEX := $(if $(filter cpu,$(TORCH)),--extra-index-url https://download.pytorch.org/whl/cpu)

.PHONY: help demo demo-takes demo-quick test test-fast lint docs clean-demo

help:
	@echo "make demo-quick   install, find the events in two simulated drives, and open the review page"
	@echo "make demo         render simulated drives, train a tiny model on them, and measure: about 16 minutes"
	@echo "make test         the whole test suite; make test-fast: the quick part; make lint: style and types"
	@echo "make docs         the documentation site, in build/site"

# The whole proof: renders simulated drives, trains a tiny model on them, and measures.
demo: demo-takes .venv/.demo
	$(BIN)/autodrive run demo

demo-takes:
	@echo "This renders simulated drives, trains a tiny model on them, and measures what it has learnt: about 16"
	@echo "minutes on two cores, and 4 GB in runs/demo. Ctrl-C stops it; the same command resumes."

# The first minute: two simulated drives, searched by a trained tiny model. Both are shipped.
demo-quick: .venv/.demo
	$(BIN)/autodrive demo

test: .venv/.installed
	$(PYTEST)

test-fast: .venv/.installed
	$(PYTEST) -m "not slow"

lint: .venv/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# The documentation site, in build/site. A broken link or anchor is an error (but not with --quiet, which hides it).
docs: .venv/.docs-installed
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build

clean-demo:
	rm -rf runs/demo

# A stamp is written last, so an interrupted installation is taken up again. The demos need no development tools.
.venv/.demo: pyproject.toml constraints.txt
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; name it with: make PYTHON=/path/to/python3.11 ..." >&2; exit 1; }
	@echo "Installing into .venv: about 4 minutes, and 7 GB with PyTorch's CUDA libraries, which TORCH=cpu leaves out."
	test -x $(BIN)/python || "$(PYTHON)" -m venv .venv
	$(BIN)/python -m pip install --disable-pip-version-check $(TORCH_INDEX) -c constraints.txt -e '.[sim,review]'
	@echo "Installed. To type autodrive as the documentation shows it: source .venv/bin/activate"
	touch $@

.venv/.installed: .venv/.demo
	$(BIN)/python -m pip install --disable-pip-version-check $(TORCH_INDEX) -c constraints.txt -e '.[sim,dev]'
	touch $@

.venv/.docs-installed: .venv/.installed
	$(BIN)/python -m pip install --disable-pip-version-check $(TORCH_INDEX) -c constraints.txt -e '.[docs]'
	touch $@
