"""The clauses of the five regulatory documents, and which tests say that they prove them. Pure, without Django."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Final, Literal, get_args

import yaml

FILE: Final = Path("var") / "clauses.json"  # under the checkout: what the last run of the suite proved
Kind = Literal["software", "workflow", "evidence", "frame"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
DOCUMENTS: Final = {
    "EM": "Electronic money: Resolution 116, Rules 202",
    "PO": "Payment organisations: Resolution 116, Rules 215",
    "SX": "Infosec exchange of the sector: Resolution 67",
    "MC": "Electronic microcredits: Resolution 81, Rules 217",
    "CB": "Credit bureaux: Resolution 59",
    "PS": "Rules of the payment system",
}


@dataclass(frozen=True, slots=True)
class Clause:
    """One clause: what it asks, and what shows that it is met."""

    id: str
    ref: str
    actor: str
    text: str
    kind: Kind
    shows: str

    @property
    def document(self) -> str:
        """The document's letters, a key of ``DOCUMENTS``."""
        return self.id.partition("-")[0]


@dataclass(frozen=True, slots=True)
class Marked:
    """A place in the tests that claims to prove a clause; ``test`` is a pytest node id without parameters."""

    clause: str
    test: str
    line: int


@lru_cache(maxsize=1)
def load() -> dict[str, Clause]:
    """Every clause by id, in the order of the documents.

    Raises:
        ValueError: the catalogue itself is broken: an id twice, an unknown kind or document.
    """
    text = (files(__package__) / "clauses.yaml").read_text(encoding="utf-8")
    # Both are safe loaders; the one in C is ten times as fast.
    entries = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506  # nosec B506
    found: dict[str, Clause] = {}
    for entry in entries:
        clause = Clause(**{name: entry[name] for name in ("id", "ref", "actor", "text", "kind", "shows")})
        if clause.id in found or clause.kind not in KINDS or clause.document not in DOCUMENTS:
            raise ValueError(f"the catalogue is broken at {clause.id}")
        found[clause.id] = clause
    return found


def marked_in(tests: Path) -> list[Marked]:
    """Every ``pytest.mark.clause("...")`` written in the Python files under ``tests``, without running them."""
    root = tests.parent
    return [
        found
        for path in sorted(tests.rglob("*.py"))
        for found in _marked_in_tree(ast.parse(path.read_bytes(), str(path)), path.relative_to(root).as_posix())
    ]


def _marked_in_tree(node: ast.AST, name: str) -> Iterator[Marked]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _marked_in_tree(child, f"{name}::{child.name}")
            continue
        if isinstance(child, ast.Call) and _is_mark(child.func):
            for argument in child.args:
                if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                    yield Marked(argument.value, name, child.lineno)
        yield from _marked_in_tree(child, name)


def _is_mark(function: ast.expr) -> bool:
    """Recognise ``pytest.mark.clause`` and ``mark.clause``."""
    if not (isinstance(function, ast.Attribute) and function.attr == "clause"):
        return False
    before = function.value
    return (isinstance(before, ast.Attribute) and before.attr == "mark") or (
        isinstance(before, ast.Name) and before.id == "mark"
    )
