# Two commands: `make play` streams, `make test` proves. Each sets up what it needs, in .venv.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install -qq --disable-pip-version-check
ARGS ?=
# Share of the streamer that the tests must run through, in percent, branches counted.
FLOOR := 90

.PHONY: help play test vm-test vm-test-arm64 install lint type format wheel clean

help:
	@echo "make play     install the edge and stream (ARGS='--port synth' and the like)"
	@echo "make test     install everything and run the tests"
	@echo "make vm-test  play in a virtual machine with ALSA, USB and systemd (root, Debian)"
	@echo "make vm-test-arm64  render on an emulated ARM processor, and compare (Debian)"
	@echo "make install  install everything: training, export, tools"
	@echo "make lint     ruff and the layers"
	@echo "make type     mypy"
	@echo "make format   let ruff format the code"
	@echo "make wheel    build the wheel and render from it where there is no torch"

# Ctrl-C is the usual end (130), and the shell waits for it; make need not call it an error.
play: $(VENV)/edge.done
	@trap : INT; $(BIN)/perpetuo play $(ARGS) || { rc=$$?; [ $$rc -eq 130 ] || exit $$rc; }

test: $(VENV)/all.done
	$(BIN)/python -m pytest -m "not benchmark" --cov --cov-report=term --cov-fail-under=$(FLOOR)

# A machine with ALSA, USB and systemd, emulated; where none can be made it says why.
vm-test: $(VENV)/all.done
	$(BIN)/python -m tests.vm.run $(ARGS)

# A minute of music on an emulated ARM processor, compared with this one's.
vm-test-arm64: $(VENV)/all.done
	$(BIN)/python -m tests.vm.arm64 $(ARGS)

install: $(VENV)/all.done

lint: $(VENV)/all.done
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports

type: $(VENV)/all.done
	$(BIN)/mypy

format: $(VENV)/all.done
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

wheel: $(VENV)/all.done
	.ci/wheel $(BIN)/python

clean:
	rm -rf $(VENV) dist build .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache

$(VENV)/pip.done: .ci/make_venv.py
	@echo "making $(VENV)"
	@$(PYTHON) .ci/make_venv.py $(VENV)
	@touch $@

# The extra `midi` adds nothing where python-rtmidi has a wheel. Where it must be compiled and
# cannot be, the rest still installs: files and soft synths can be played to.
$(VENV)/edge.done: $(VENV)/pip.done pyproject.toml
	@echo "installing perpetuo: numpy, onnxruntime, mido and little else"
	@$(PIP) -e '.[midi]' 2>$(VENV)/midi.log || { $(PIP) -e . && \
	  echo "no live MIDI: python-rtmidi has no wheel for this Python and did not compile" \
	       "($(VENV)/midi.log): sudo apt install libasound2-dev libjack-jackd2-dev g++ python3-dev," \
	       "then $(BIN)/pip install python-rtmidi"; }
	@touch $@

$(VENV)/all.done: $(VENV)/edge.done
	@echo "installing training, export and tools: torch (CPU), onnx, pytest and others; 1.3 GB"
	@.ci/install_torch $(BIN)/python
	@$(PIP) -e '.[train,export,dev]'
	@touch $@
