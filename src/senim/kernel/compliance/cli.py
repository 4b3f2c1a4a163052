"""``senim clauses``: which clauses of the law have a test, and did it pass when the suite last ran?"""

import json
from collections import defaultdict
from pathlib import Path
from typing import Any, ClassVar

import click

from senim.errors import BadInput
from senim.kernel.compliance import catalogue
from senim.kernel.compliance.catalogue import FILE
from senim.runtime.config import checkout_root


class UnknownClauses(BadInput):
    """Tests are marked with clauses that are not in the catalogue."""

    code: ClassVar[str] = "compliance.unknown_clauses"


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option(
    "--tests",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=None,
    help="The folder of the tests; by default that of the source checkout.",
)
def command(*, as_json: bool, tests: Path | None) -> None:
    """Print the clauses by document and kind, and those that tests prove. Exit code 1 on an unknown id."""
    if tests is None:
        root = checkout_root()
        if root is None:
            raise BadInput("There are no tests beside this installation: name their folder by --tests.")
        tests = root / "tests"
    marked = catalogue.marked_in(tests)
    known = catalogue.load()
    unknown = [mark for mark in marked if mark.clause not in known]
    covered: dict[str, list[str]] = defaultdict(list)
    for mark in marked:
        if mark.clause in known and mark.test not in covered[mark.clause]:
            covered[mark.clause].append(mark.test)
    last = last_run(tests.parent / FILE)
    if as_json:
        click.echo(json.dumps(as_document(covered, unknown, last), ensure_ascii=False))
    else:
        print_tables(covered, last)
        for mark in unknown:
            click.echo(f"{mark.test.partition('::')[0]}:{mark.line}: there is no clause {mark.clause!r}", err=True)
    if unknown:
        raise SystemExit(1)


def last_run(path: Path) -> dict[str, dict[str, Any]]:
    """What the last run of the suite has shown, or nothing."""
    try:
        result: dict[str, dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return result


def as_document(
    covered: dict[str, list[str]], unknown: list[catalogue.Marked], last: dict[str, dict[str, Any]]
) -> dict[str, Any]:
    """The whole for JSON."""
    return {
        "counts": counts(covered),
        "clauses": {
            clause.id: {
                "kind": clause.kind,
                "tests": covered.get(clause.id, []),
                "passed": last.get(clause.id, {}).get("passed", False),
            }
            for clause in catalogue.load().values()
        },
        "unknown": [{"clause": mark.clause, "test": mark.test, "line": mark.line} for mark in unknown],
    }


def counts(covered: dict[str, list[str]]) -> dict[str, dict[str, dict[str, int]]]:
    """By document and kind: how many clauses there are, and how many have a test."""
    table: dict[str, dict[str, dict[str, int]]] = {
        document: {kind: {"total": 0, "tested": 0} for kind in catalogue.KINDS} for document in catalogue.DOCUMENTS
    }
    for clause in catalogue.load().values():
        cell = table[clause.document][clause.kind]
        cell["total"] += 1
        cell["tested"] += clause.id in covered
    return table


def print_tables(covered: dict[str, list[str]], last: dict[str, dict[str, Any]]) -> None:
    """The same for people."""
    table = counts(covered)
    width = max(map(len, catalogue.DOCUMENTS.values()))
    click.echo(
        f"{'Clauses with a test / all':{width + 4}}" + "".join(f"{kind:>11}" for kind in (*catalogue.KINDS, "together"))
    )
    sums = {kind: [0, 0] for kind in (*catalogue.KINDS, "together")}
    for document, name in catalogue.DOCUMENTS.items():
        cells = {kind: [cell["tested"], cell["total"]] for kind, cell in table[document].items()}
        cells["together"] = [sum(pair) for pair in zip(*cells.values(), strict=True)]
        for kind, pair in cells.items():
            sums[kind] = [a + b for a, b in zip(sums[kind], pair, strict=True)]
        click.echo(f"{document}  {name:{width}}" + _cells(cells))
    click.echo(f"{'All':{width + 4}}" + _cells(sums))
    click.echo()
    for clause in catalogue.load().values():
        if clause.id in covered:
            tests = covered[clause.id]
            click.echo(
                f"{clause.id:9} {clause.kind:9} {_word(last.get(clause.id)):8} {len(tests)} test{'s'[: len(tests) > 1]}"
            )
            for test in tests:
                click.echo(f"          {test}")


def _cells(cells: dict[str, list[int]]) -> str:
    return "".join(f"{f'{tested}/{total}':>11}" for tested, total in cells.values())


def _word(shown: dict[str, Any] | None) -> str:
    """How the clause stood at the end of the last run of the suite."""
    if not shown or not shown["tests"]:
        return "not run"
    return "passed" if shown["passed"] else "FAILED"
