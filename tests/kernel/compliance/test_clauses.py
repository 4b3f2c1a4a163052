"""The catalogue, the marks and what a run says of them."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from senim.kernel.compliance import catalogue
from senim.kernel.compliance.cli import command

pytest_plugins = ["pytester"]

SUITE = """
import pytest

@pytest.mark.clause("EM-55.4")
def test_good(): pass

@pytest.mark.clause("EM-55.4", "PO-34.4")
@pytest.mark.parametrize("number", [1, 2])
def test_both(number): assert number < {limit}

class TestGroup:
    pytestmark = pytest.mark.clause("PS-12.4")

    def test_skipped(self): pytest.skip("not today")
    def test_done(self): pass

@pytest.fixture
def broken():
    yield
    raise RuntimeError

@pytest.mark.clause("PS-12.5")
def test_breaks_at_its_end(broken): pass

@pytest.mark.clause("MC-1")
@pytest.mark.xfail
def test_expected_to_fail(): assert False
"""


def suite(pytester: pytest.Pytester, text: str) -> Path:
    pytester.makepyprojecttoml(
        "[tool.pytest.ini_options]\n"
        "addopts = '--strict-markers -p senim.kernel.compliance.pytest_plugin -p no:django'\n"
    )
    folder = pytester.mkdir("tests")
    (folder / "test_example.py").write_text(text, encoding="utf-8")
    return folder


def result(pytester: pytest.Pytester) -> dict[str, dict[str, object]]:
    found: dict[str, dict[str, object]] = json.loads(
        (pytester.path / "var" / "clauses.json").read_text(encoding="utf-8")
    )
    return found


def test_the_catalogue_is_whole() -> None:
    clauses = catalogue.load()
    assert len(clauses) == 543
    assert {clause.document for clause in clauses.values()} == set(catalogue.DOCUMENTS)
    assert {f"EM-55.{number}" for number in range(1, 12)} <= clauses.keys()
    assert clauses["EM-55.4"].kind == "software"
    assert all(clause.text and clause.shows for clause in clauses.values())


def test_a_run_says_of_every_clause_whether_all_its_tests_passed(pytester: pytest.Pytester) -> None:
    suite(pytester, SUITE.format(limit=3))
    pytester.runpytest_inprocess()
    found = result(pytester)
    assert found.keys() == catalogue.load().keys()
    assert found["EM-55.4"] == {
        "kind": "software",
        "tests": ["tests/test_example.py::test_good", *(f"tests/test_example.py::test_both[{n}]" for n in (1, 2))],
        "passed": True,
    }
    assert found["PO-34.4"]["passed"] is True
    assert found["PS-12.4"]["passed"] is False
    assert found["PS-12.5"]["passed"] is False
    assert found["MC-1"]["passed"] is False
    assert found["EM-55.5"] == {"kind": "software", "tests": [], "passed": False}


def test_one_failing_case_spoils_the_clause(pytester: pytest.Pytester) -> None:
    suite(pytester, SUITE.format(limit=2))
    pytester.runpytest_inprocess()
    assert result(pytester)["EM-55.4"]["passed"] is False


def test_a_part_of_the_suite_speaks_only_for_itself(pytester: pytest.Pytester) -> None:
    suite(pytester, SUITE.format(limit=3))
    pytester.runpytest_inprocess("-k", "good")
    found = result(pytester)
    assert found["EM-55.4"]["tests"] == ["tests/test_example.py::test_good"]
    assert found["EM-55.4"]["passed"] is True
    assert found["PO-34.4"] == {"kind": "software", "tests": [], "passed": False}


def test_listing_tests_changes_nothing(pytester: pytest.Pytester) -> None:
    suite(pytester, SUITE.format(limit=3))
    pytester.runpytest_inprocess("--collect-only")
    assert not (pytester.path / "var").exists()


def test_an_unknown_clause_stops_the_run_even_when_it_would_not_be_run(pytester: pytest.Pytester) -> None:
    suite(pytester, 'import pytest\n@pytest.mark.clause("EM-55.99")\ndef test_it(): pass\ndef test_other(): pass\n')
    run = pytester.runpytest_inprocess("-k", "other")
    assert run.ret == pytest.ExitCode.USAGE_ERROR
    run.stderr.fnmatch_lines(["*unknown clauses*", "*test_it: 'EM-55.99'*"])


def test_marks_are_found_without_running(tmp_path: Path) -> None:
    tests = tmp_path / "tests"
    tests.mkdir()
    (tests / "test_a.py").write_text(
        SUITE
        + '\n@pytest.mark.parametrize("x", [pytest.param(1, marks=pytest.mark.clause("SX-1"))])\ndef test_p(x): pass\n',
        encoding="utf-8",
    )
    found = {(mark.clause, mark.test) for mark in catalogue.marked_in(tests)}
    assert found == {
        ("EM-55.4", "tests/test_a.py::test_good"),
        ("EM-55.4", "tests/test_a.py::test_both"),
        ("PO-34.4", "tests/test_a.py::test_both"),
        ("PS-12.4", "tests/test_a.py::TestGroup"),
        ("PS-12.5", "tests/test_a.py::test_breaks_at_its_end"),
        ("MC-1", "tests/test_a.py::test_expected_to_fail"),
        ("SX-1", "tests/test_a.py::test_p"),
    }


def test_the_command_prints_the_table(pytester: pytest.Pytester) -> None:
    folder = suite(pytester, SUITE.format(limit=3))
    pytester.runpytest_inprocess()
    answer = CliRunner().invoke(command, ["--tests", str(folder)])
    assert answer.exit_code == 0
    lines = answer.output.splitlines()
    assert any(line.startswith("EM ") and line.endswith("1/79") for line in lines)
    assert any(line.startswith("All") and line.endswith("5/543") for line in lines)
    assert "EM-55.4   software  passed   2 tests" in lines
    assert any(line.startswith("PS-12.4") and "FAILED" in line for line in lines)
    document = json.loads(CliRunner().invoke(command, ["--json", "--tests", str(folder)]).output)
    assert document["counts"]["EM"]["software"] == {"total": 34, "tested": 1}
    assert document["clauses"]["EM-55.4"]["passed"] is True
    assert len(document["clauses"]) == 543


def test_the_command_fails_on_an_unknown_clause(tmp_path: Path) -> None:
    (tmp_path / "test_a.py").write_text(
        'import pytest\n@pytest.mark.clause("XX-1")\ndef test_it(): pass\n', encoding="utf-8"
    )
    answer = CliRunner().invoke(command, ["--tests", str(tmp_path)])
    assert answer.exit_code == 1
    assert "test_a.py:2: there is no clause 'XX-1'" in answer.output
    assert (
        json.loads(CliRunner().invoke(command, ["--json", "--tests", str(tmp_path)]).output)["unknown"][0]["clause"]
        == "XX-1"
    )


def test_every_mark_of_this_projects_tests_is_in_the_catalogue() -> None:
    known = catalogue.load()
    assert [mark for mark in catalogue.marked_in(Path(__file__).parents[2]) if mark.clause not in known] == []
