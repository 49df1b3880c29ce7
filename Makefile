# Large Models from Scratch. Every task is a function in make.py; `make` alone explains them.
PYTHON ?= $(or $(shell command -v python3),$(shell command -v python),no-python)
TASKS = book serve test lab exercises release collect grade feedback formgrader lint format notebooks bench clean

help:
	@command -v "$(PYTHON)" > /dev/null || { echo "make: Python 3.11 or newer is needed and none was found"; exit 1; }
	@"$(PYTHON)" make.py

$(TASKS):
	@command -v "$(PYTHON)" > /dev/null || { echo "make: Python 3.11 or newer is needed and none was found"; exit 1; }
	@"$(PYTHON)" make.py $@

.PHONY: help $(TASKS)
