# What a newcomer needs: `make run`, `make test`, `make bench`. See README.md.
.DEFAULT_GOAL := run
.PHONY: run test bench setup browser lint dialogue requirements

PY := .venv/bin/python
RASA := PYTHONPATH=. RASA_TELEMETRY_ENABLED=false .venv-engine/bin/python
# What runs in the engine's Python 3.10.
OLD := engine bot/language.py
COMPILE := $(PY) -m uv pip compile --quiet --generate-hashes --custom-compile-command "make requirements"

# The last line must be an exec, or SIGTERM to make would leave the service alive.
run: setup
	@exec env MEDREP_SANDBOX=1 .venv/bin/medrep serve --demo --history

# pytest stands last: its closing line is what is read first. Two workers, one a core (docs/testing.md).
test: setup browser
	@$(MAKE) --no-print-directory -j2 lint dialogue
	$(RASA) -m pytest -q -c /dev/null --rootdir . -p no:cacheprovider --noconftest tests/test_language.py
	$(PY) -m pytest -n 2

bench: setup
	@exec $(PY) -m bench

# A pyenv shim that stands for nothing exits 127: each candidate is run before it is trusted.
setup:
	@for python in python3.11 python3.12 python3.13 python3.14 python3 "$$HOME"/.pyenv/versions/3.1[1-4]*/bin/python; do \
		if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then \
			exec "$$python" deploy/environments.py; \
		fi; \
	done; echo "set-up failed: Python 3.11 or newer is needed" >&2; exit 1

browser: setup
	@$(PY) deploy/environments.py browser

lint: setup
	$(PY) -m ruff check --quiet .
	$(PY) -m ruff check --quiet --target-version py310 $(OLD)
	$(PY) -m ruff format --quiet --check .
	$(PY) -m mypy
	$(RASA) -m mypy --python-version 3.10 --ignore-missing-imports $(OLD)
	.venv/bin/lint-imports --no-cache

# Rasa's own check of the seed: intents, slots, stories, rules. It talks much; told only when it fails.
dialogue: setup
	@mkdir -p artifacts && $(RASA) -W ignore -m rasa data validate --domain domain.yml --config config.yml \
		--data data/nlu data/rules data/stories >artifacts/data-validate.log 2>&1 \
		&& echo "rasa data validate: passed" || { cat artifacts/data-validate.log; exit 1; }

# The pins: run after a change of requirements/*.in, then `make setup`.
requirements: setup
	$(COMPILE) --universal --python-version 3.11 requirements/app.in -o requirements/app.txt
	$(COMPILE) --universal --python-version 3.11 -c requirements/app.txt requirements/dev.in -o requirements/dev.txt
	$(COMPILE) --python "$$($(PY) deploy/environments.py python310)" --python-version 3.10 \
		--override requirements/engine-overrides.txt requirements/engine.in -o requirements/engine.txt
