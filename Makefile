# Two commands: `make play` streams, `make test` proves. Each sets up what it needs, in .venv.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install -qq --disable-pip-version-check
ARGS ?=
# Share of the streamer that the tests must run through, in percent, branches counted.
FLOOR := 90
# Processes that tests run in side by side, at most, of 0.5 GB each. `auto` is one more than there
# are cores (tests/conftest.py): the tests of live ports wait for the time to come.
WORKERS := 4
PYTEST := -m "not benchmark" -n auto --maxprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder
# What runs the streamer in its own process; the rest starts it anew, untraced, or reads files.
UNTRACED := $(addprefix tests/test_,commands.py output.py packaging.py rooms.py same_music.py wheels.py words.py)
TRACED := tests/streamer tests/service tests/surfaces $(filter-out $(UNTRACED),$(wildcard tests/test_*.py))

.PHONY: help play test cover vm-test vm-test-seq vm-test-gadget vm-test-arm64 install lint type format wheel deb deb-test docker-test docs clean

help:
	@echo "make play     install the edge and stream (ARGS='--port synth' and the like)"
	@echo "make test     install everything and run the tests"
	@echo "make cover    how much of the streamer the tests run through: $(FLOOR) % at least"
	@echo "make vm-test  play in a virtual machine with ALSA, USB and systemd (root, Debian)"
	@echo "make vm-test-seq  the same without python-rtmidi: ALSA's own library, 20 unplugs"
	@echo "make vm-test-gadget  this machine as a USB instrument, in the virtual machine"
	@echo "make vm-test-arm64  render on an emulated ARM processor, and compare (Debian)"
	@echo "make install  install everything: training, export, tools"
	@echo "make lint     ruff, the layers and the dependencies"
	@echo "make type     mypy"
	@echo "make format   let ruff format the code"
	@echo "make docs     draw the map, list the controls, build docs/ into build/site"
	@echo "make deb      build a Debian package; make deb-test installs and removes it (root)"
	@echo "make wheel    build the wheel and render from it where there is no torch"

# Ctrl-C is the usual end (130), and the shell waits for it; make need not call it an error.
play: $(VENV)/edge.done
	@trap : INT; $(BIN)/perpetuo play --web $(ARGS) || { rc=$$?; [ $$rc -eq 130 ] || exit $$rc; }

test: $(VENV)/all.done
	$(BIN)/python -m pytest $(PYTEST)

# Traced, tests take twice as long: those that run the streamer in their own process, and no more.
cover: $(VENV)/all.done
	$(BIN)/python -m pytest $(PYTEST) $(TRACED) --cov --cov-report=term --cov-fail-under=$(FLOOR)

# A machine with ALSA, USB and systemd, emulated; where none can be made it says why.
vm-test: $(VENV)/all.done
	$(BIN)/python -m tests.vm.run $(ARGS)

# The same machine without python-rtmidi, as on Python 3.13: ALSA's own library, and 20 unplugs.
vm-test-seq: $(VENV)/all.done
	$(BIN)/python -m tests.vm.run --only seq --limit 1800 $(ARGS)

# The same machine as a USB instrument: the recipe of docs/install.md.
vm-test-gadget: $(VENV)/all.done
	$(BIN)/python -m tests.vm.run --only gadget --limit 1200 $(ARGS)

# A minute of music on an emulated ARM processor, compared with this one's.
vm-test-arm64: $(VENV)/all.done
	$(BIN)/python -m tests.vm.arm64 $(ARGS)

install: $(VENV)/all.done

lint: $(VENV)/all.done
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports
	$(BIN)/deptry .

type: $(VENV)/all.done
	$(BIN)/mypy

format: $(VENV)/all.done
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

wheel: $(VENV)/all.done
	.ci/wheel $(BIN)/python

# The map is drawn from the imports of the tree; links and references are checked.
docs: $(VENV)/docs.done
	$(BIN)/python .ci/draw_map.py
	$(BIN)/python .ci/write_controls.py
	$(BIN)/python .ci/write_api.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet -f .ci/mkdocs.yml
	@echo "build/site/index.html"

# A Debian package with every wheel that it needs; ARGS='--arch arm64' builds that of a Pi.
deb: $(VENV)/all.done
	$(BIN)/python .ci/build_deb.py build/deb $(ARGS)

# Runs the Dockerfile's steps in a bare Debian, without Docker (root, debootstrap).
docker-test:
	.ci/test_dockerfile

# Installs it in a throw-away copy of this system's root, plays, removes it (root, Debian).
deb-test: $(VENV)/all.done
	$(BIN)/python .ci/build_deb.py build/deb --pythons 3.11
	.ci/test_deb "$$(ls -t build/deb/perpetuo_*.deb | head -n 1)"

clean:
	rm -rf $(VENV) dist build .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache

$(VENV)/pip.done: .ci/make_venv.py
	@echo "making $(VENV)"
	@$(PYTHON) .ci/make_venv.py $(VENV)
	@touch $@

# Nothing is compiled: where python-rtmidi has no wheel, ALSA's own library is spoken to.
$(VENV)/edge.done: $(VENV)/pip.done pyproject.toml
	@echo "installing perpetuo: numpy, onnxruntime, mido and little else"
	@$(PIP) -e '.[live]'
	@touch $@

$(VENV)/all.done: $(VENV)/edge.done
	@echo "installing training, export and tools: torch (CPU), onnx, pytest and others; 1.7 GB, minutes"
	@.ci/install_torch $(BIN)/python
	@$(PIP) -e '.[train,export,dev]'
	@touch $@

$(VENV)/docs.done: $(VENV)/edge.done
	@$(PIP) -e '.[docs]'
	@touch $@
