"""Pytest's part: which clauses did this run prove?

A test carries ``@pytest.mark.clause("EM-55.4")``. At the end of the run ``var/clauses.json`` says for every clause of
the catalogue which of the tests that were collected prove it, and whether all of them passed::

    {"EM-55.4": {"kind": "software", "tests": ["tests/..."], "passed": true}, ...}

A mark with an unknown id stops the run before it begins.
"""

import json
from pathlib import Path

import pytest

from senim.kernel.compliance import catalogue
from senim.kernel.compliance.catalogue import FILE


class Clauses:
    """Gathers the marks at collection and the outcomes as they come."""

    def __init__(self, target: Path) -> None:
        self.target = target
        self.tests: dict[str, list[str]] = {}
        self.passed: set[str] = set()
        self.spoilt: set[str] = set()

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Read the marks before anything is deselected, so that no unknown id hides.

        Raises:
            pytest.UsageError: a mark names a clause that is not in the catalogue.
        """
        known = catalogue.load()
        wrong = [(item.nodeid, clause) for item in items for clause in clauses_of(item) if clause not in known]
        if wrong:
            lines = "\n".join(f"  {nodeid}: {clause!r}" for nodeid, clause in wrong)
            raise pytest.UsageError(f"these tests are marked with unknown clauses:\n{lines}")

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Note which tests will run."""
        for item in session.items:
            for clause in clauses_of(item):
                if item.nodeid not in (tests := self.tests.setdefault(clause, [])):
                    tests.append(item.nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A test has passed when its call did, and nothing around it went wrong or skipped it."""
        if report.when == "call" and report.outcome == "passed" and not hasattr(report, "wasxfail"):
            self.passed.add(report.nodeid)
        elif report.outcome != "passed" or hasattr(report, "wasxfail"):
            self.spoilt.add(report.nodeid)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write what the run has shown; a run that only lists tests shows nothing."""
        if session.config.option.collectonly:
            return
        self.target.parent.mkdir(parents=True, exist_ok=True)
        fresh = self.target.with_suffix(".json.new")
        fresh.write_text(json.dumps(self.result(), indent=1) + "\n", encoding="utf-8")
        fresh.replace(self.target)

    def result(self) -> dict[str, dict[str, object]]:
        """Every clause of the catalogue with its tests of this run."""
        good = self.passed - self.spoilt
        return {
            clause.id: {
                "kind": clause.kind,
                "tests": (tests := self.tests.get(clause.id, [])),
                "passed": bool(tests) and good.issuperset(tests),
            }
            for clause in catalogue.load().values()
        }


def clauses_of(item: pytest.Item) -> list[str]:
    """The ids that a test is marked with; a mark may name several."""
    return [str(clause) for mark in item.iter_markers("clause") for clause in mark.args]


def pytest_configure(config: pytest.Config) -> None:
    """Take part in this run."""
    config.addinivalue_line("markers", "clause(id): the clause of the five documents that this test proves")
    config.pluginmanager.register(Clauses(config.rootpath / FILE), "senim-clauses")
