"""How tests are shared out between the workers of `pytest -n` (docs/testing.md), and what each group took.

xdist's own `--dist loadgroup` needs a part of pytest that version 9.2 no longer has, and a mark on each test.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections import Counter
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

# These fixtures take long to make, so one worker makes each, once, and runs all tests that ask for it.
# In this order: the longest group first, and the engine's needs no trained model of the seed, which the
# first worker may still have to train.
SHARED = {
    "whole": "proofs",
    "engine": "engine",
    "model": "engine",
    "service": "service",
    "index": "knowledge",
}
SHOWN = 12  # groups in the closing table


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Groups: the tests of a shared thing, else those of a module. A worker tells who shares out."""
    groups = {item: group(item) for item in items}
    every = dict.fromkeys([*SHARED.values(), *groups.values()])
    order = {name: number for number, name in enumerate(every)}
    items.sort(key=lambda item: (order[groups[item]], -patience(item)))
    groups_file = getattr(config, "workerinput", {}).get("groups")
    if groups_file:
        part = Path(f"{groups_file}.{os.getpid()}")
        part.write_text(json.dumps({item.nodeid: name for item, name in groups.items()}), encoding="utf-8")
        part.replace(groups_file)  # every worker writes the same


def group(item: pytest.Item) -> str:
    parameters = getattr(getattr(item, "callspec", None), "params", {})  # may have a fixture's name
    names = {name for name in getattr(item, "fixturenames", ()) if name not in parameters}
    return next((name for fixture, name in SHARED.items() if fixture in names), item.nodeid.split("::")[0])


def patience(item: pytest.Item) -> float:
    """Its own timeout: the longest tests come first in their group. xdist gives a worker its next group
    while the last two tests of one still run, and a long one there would keep that group waiting."""
    mark = item.get_closest_marker("timeout")
    return float(mark.args[0]) if mark and mark.args else 0.0


class Groups:
    """In the process that shares out: who runs what, and what each group took."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="medrep-tests-")
        self._file = Path(self._folder.name) / "groups.json"
        self._took: Counter[str] = Counter()

    @cached_property
    def of(self) -> dict[str, str]:
        """The group of each test, once a worker has collected."""
        found: dict[str, str] = json.loads(self._file.read_text(encoding="utf-8"))
        return found

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        node.workerinput["groups"] = str(self._file)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_make_scheduler(self, config: pytest.Config, log: Any) -> LoadScopeScheduling:
        groups = self

        class ByGroup(LoadScopeScheduling):
            def _split_scope(self, nodeid: str) -> str:
                return groups.of[nodeid]

        return ByGroup(config, log)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._took[self.of.get(report.nodeid, "?")] += report.duration

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        terminalreporter.write_sep("=", f"seconds of a worker, the {SHOWN} longest groups (docs/testing.md)")
        for name, seconds in self._took.most_common(SHOWN):
            terminalreporter.write_line(f"{seconds:8.0f}  {name}")
        terminalreporter.write_line(f"{sum(self._took.values()):8.0f}  all")

    def pytest_unconfigure(self) -> None:
        self._folder.cleanup()


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("numprocesses", None):
        config.pluginmanager.register(Groups())
