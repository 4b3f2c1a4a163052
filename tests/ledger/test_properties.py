"""The ledger against a model on paper: whatever is posted, in whatever batches."""

import itertools
from collections.abc import Iterator
from dataclasses import astuple

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.ledger.conftest import Connection
from tests.ledger.model import WHOLE, Paper, PaperAccount

from senim import ledger
from senim.ledger import Account, Transfer
from senim.ledger.columns import columns_of, transfers_of
from senim.ledger.schema import scratch
from senim.ledger.verify import verify

ACCOUNTS = 5
ACCOUNT_FLAGS = (0, 0, 2, 4, 0)
# Every example works in a stretch of ids of its own, so that one ledger serves them all.
STRETCH = itertools.count(1)

PLAIN = (0, 0, 0, 0, 1)
ALL_FLAGS = (0, 0, 0, 0, 1, 2, 2, 2, 2, 2, 3, 4, 4, 4, 5, 8, 8, 9, 16, 18, 32, 48, 66, 130, 12)


@pytest.fixture(scope="module")
def book(server_url: str) -> Iterator[Connection]:
    with psycopg.connect(server_url, autocommit=True) as made, scratch(made):
        yield made


def events(flags: tuple[int, ...]) -> st.SearchStrategy[list[list[dict[str, int]]]]:
    """Batches between a few accounts (one of them unknown); ids repeat now and then, resolutions find a pending one."""
    event = st.fixed_dictionaries(
        {
            "debit_account_id": st.sampled_from([1, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, ACCOUNTS + 1]),
            "credit_account_id": st.sampled_from([2, 2, 2, 3, 3, 1, 1, 4, 4, 5, 5, ACCOUNTS + 1]),
            "amount": st.integers(0, 50),
            "flags": st.sampled_from(flags),
            "choice": st.integers(0, 1_000),
        }
    )
    return st.lists(st.lists(event, min_size=1, max_size=25), min_size=1, max_size=3).map(_sensible)


def _sensible(batches: list[list[dict[str, int]]]) -> list[list[dict[str, int]]]:
    """Give ids, and let most postings and voids name a pending transfer: most examples get past the first checks."""
    pending_ids = [1]
    made: list[list[dict[str, int]]] = []
    number = 0
    for batch in batches:
        made.append([])
        for drawn in batch:
            number += 1
            choice = drawn["choice"]
            row = {name: value for name, value in drawn.items() if name != "choice"} | {"id": number, "pending_id": 0}
            if choice % 10 == 0:
                row["id"] = choice % number + 1
            if row["flags"] & 12:
                row["pending_id"] = pending_ids[choice % len(pending_ids)]
                if choice % 4:
                    row["debit_account_id"] = row["credit_account_id"] = 0
                if choice % 3:
                    row["amount"] = 0 if row["flags"] & 8 else WHOLE
            elif row["flags"] & 2:
                pending_ids.append(row["id"])
            made[-1].append(row)
    return made


def shifted(row: dict[str, int], base: int) -> Transfer:
    """The event in its example's own stretch of ids."""
    names = ("id", "debit_account_id", "credit_account_id", "pending_id")
    moved = {name: row[name] + base if row[name] else 0 for name in names}
    return Transfer(**moved, amount=row["amount"], flags=row["flags"], ledger=1, code=1)


def fresh(connection: Connection) -> tuple[Paper, int]:
    """Five accounts, on paper and in the ledger."""
    base = next(STRETCH) * 1_000
    paper = Paper({number: PaperAccount(ACCOUNT_FLAGS[number - 1]) for number in range(1, ACCOUNTS + 1)})
    accounts = [Account(id=base + n, ledger=1, code=1, flags=ACCOUNT_FLAGS[n - 1]) for n in range(1, ACCOUNTS + 1)]
    with connection.transaction():
        assert ledger.create_accounts(connection, accounts).all_ok
    return paper, base


def stored(connection: Connection, base: int) -> list[tuple[int, ...]]:
    """Flags and balances of the example's accounts, as the model has them."""
    found = ledger.lookup_accounts(connection, [base + n for n in range(1, ACCOUNTS + 1)])
    return [(a.flags, a.debits_pending, a.debits_posted, a.credits_pending, a.credits_posted) for a in found]


def agree(connection: Connection, batches: list[list[dict[str, int]]]) -> None:
    paper, base = fresh(connection)
    for batch in batches:
        expected = paper.post(batch)
        with connection.transaction():
            results = ledger.post(connection, [shifted(row, base) for row in batch])
        assert [r.status.value for r in results] == expected
        assert stored(connection, base) == [astuple(paper.accounts[n]) for n in range(1, ACCOUNTS + 1)]
    books = stored(connection, base)
    assert sum(b[1] for b in books) == sum(b[3] for b in books)
    assert sum(b[2] for b in books) == sum(b[4] for b in books)
    for flags, held_out, out, held_in, into in books:
        assert not flags & 2 or held_out + out <= into
        assert not flags & 4 or held_in + into <= out


@settings(max_examples=150)
@given(events(PLAIN))
def test_plain_batches_agree_with_the_model(book: Connection, batches: list[list[dict[str, int]]]) -> None:
    agree(book, batches)


@settings(max_examples=250)
@given(events(ALL_FLAGS))
def test_any_batches_agree_with_the_model(book: Connection, batches: list[list[dict[str, int]]]) -> None:
    agree(book, batches)


@settings(max_examples=60)
@given(events(tuple(f & ~1 for f in ALL_FLAGS)), st.lists(st.integers(1, 74), max_size=5))
def test_any_split_into_batches_gives_the_same_end(
    book: Connection, batches: list[list[dict[str, int]]], cuts: list[int]
) -> None:
    rows = list(itertools.chain(*batches))
    ends = []
    for edges in ([0, len(rows)], sorted({0, len(rows), *(cut for cut in cuts if cut < len(rows))})):
        _, base = fresh(book)
        statuses = []
        for start, stop in itertools.pairwise(edges):
            with book.transaction():
                results = ledger.post(book, [shifted(row, base) for row in rows[start:stop]])
            statuses += results.statuses
        ends.append((statuses, stored(book, base)))
    assert ends[0] == ends[1]


def test_after_all_that_the_ledger_verifies(book: Connection) -> None:
    report = verify(book)
    assert report.is_sound, report.findings[:5]
    assert report.transfers > 0


@given(st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=20))
def test_columns_and_objects_say_the_same(amounts: list[int]) -> None:
    made = [
        Transfer(
            id=2**100 + n,
            debit_account_id=n + 1,
            credit_account_id=2**127 + n,
            amount=amount,
            user_data_128=n,
            user_data_64=2**64 - 1 - n,
            user_data_32=n,
            ledger=2**32 - 1,
            code=2**16 - 1 - n,
            flags=1 if n + 1 < len(amounts) else 0,
        )
        for n, amount in enumerate(amounts)
    ]
    columns = columns_of(made)
    assert columns is not None
    assert transfers_of(columns) == made
