"""Filters over an account's transfers and balances, balances as of a moment, statements; sealed and not yet sealed."""

from datetime import timedelta

import pytest
from tests.ledger.conftest import Connection
from tests.ledger.tables import MAX, open_accounts, post

from senim import ledger
from senim.ledger import AccountFilter
from senim.ledger.queries import moment_of, timestamp_of
from senim.ledger.schema import set_clock_offset
from senim.ledger.sealing import seal_all

DEBITS, CREDITS, REVERSED = 1, 2, 4
BOTH = DEBITS | CREDITS


@pytest.fixture(params=["not sealed", "sealed", "sealed by halves"])
def book(connection: Connection, request: pytest.FixtureRequest) -> Connection:
    """Four transfers between two accounts with history."""
    open_accounts(connection, "1 history\n2 history\n3")
    post(
        connection,
        """
        1 1 2 10 user_data_128=1000 user_data_64=10 user_data_32=1
        2 2 1 11 user_data_128=1001 user_data_64=10 user_data_32=2 code=2
        """,
    )
    if request.param == "sealed by halves":
        seal_all(connection)
    post(
        connection,
        """
        3 1 2 12 user_data_128=1000 user_data_64=20 user_data_32=2
        4 2 1 13 user_data_128=1001 user_data_64=20 user_data_32=1 code=2
        """,
    )
    if request.param == "sealed":
        seal_all(connection)
    return connection


def stamp(connection: Connection, transfer_id: int) -> int:
    (found,) = ledger.lookup_transfers(connection, [transfer_id])
    return found.timestamp


def ids(connection: Connection, **chosen: int) -> list[int]:
    asked = AccountFilter(**{"account_id": 1, "limit": 10, "flags": BOTH, **chosen})
    return [t.id for t in ledger.get_account_transfers(connection, asked)]


def test_filters(book: Connection) -> None:
    second, third = stamp(book, 2), stamp(book, 3)
    assert ids(book) == [1, 2, 3, 4]
    assert ids(book, limit=2) == [1, 2]
    assert ids(book, timestamp_min=third) == [3, 4]
    assert ids(book, timestamp_max=second) == [1, 2]
    assert ids(book, timestamp_min=second, timestamp_max=third) == [2, 3]
    assert ids(book, flags=BOTH | REVERSED) == [4, 3, 2, 1]
    assert ids(book, flags=BOTH | REVERSED, limit=3) == [4, 3, 2]
    assert ids(book, flags=DEBITS) == [1, 3]
    assert ids(book, flags=CREDITS) == [2, 4]
    assert ids(book, user_data_128=1001) == [2, 4]
    assert ids(book, user_data_64=10) == [1, 2]
    assert ids(book, user_data_32=1) == [1, 4]
    assert ids(book, code=1) == [1, 3]
    assert ids(book, code=1, user_data_128=1000, user_data_64=10, user_data_32=1, timestamp_max=third) == [1]
    assert ids(book, code=2, user_data_128=1000) == []
    assert ids(book, account_id=3) == []


@pytest.mark.parametrize(
    "invalid",
    [
        {"account_id": 0},
        {"account_id": MAX},
        {"account_id": 9},
        {"flags": 0},
        {"flags": REVERSED},
        {"flags": BOTH | 8},
        {"limit": 0},
        {"timestamp_min": 2, "timestamp_max": 1},
        {"timestamp_min": 2**63},
        {"timestamp_max": 2**64 - 1},
        {"reserved": 1},
    ],
)
def test_an_invalid_filter_has_an_empty_answer(book: Connection, invalid: dict[str, int]) -> None:
    asked = AccountFilter(**{"account_id": 1, "limit": 10, "flags": BOTH, **invalid})
    assert ledger.get_account_transfers(book, asked) == []
    assert ledger.get_account_balances(book, asked) == []


def test_balances_after_each_transfer(book: Connection) -> None:
    asked = AccountFilter(account_id=1, limit=10, flags=BOTH)
    found = ledger.get_account_balances(book, asked)
    assert [tuple(b)[:4] for b in found] == [(0, 10, 0, 0), (0, 10, 0, 11), (0, 22, 0, 11), (0, 22, 0, 24)]
    assert [b.timestamp for b in found] == [stamp(book, n) for n in (1, 2, 3, 4)]
    backwards = ledger.get_account_balances(book, asked._replace(flags=CREDITS | REVERSED))
    assert [tuple(b)[:4] for b in backwards] == [(0, 22, 0, 24), (0, 10, 0, 11)]
    assert ledger.get_account_balances(book, asked._replace(account_id=3)) == []


@pytest.mark.clause("EM-55.4")
@pytest.mark.clause("PO-34.4")
def test_balances_as_of_any_moment(book: Connection) -> None:
    stamps = {n: stamp(book, n) for n in (1, 2, 3, 4)}
    assert tuple(ledger.balance_at(book, 1, stamps[1] - 1))[:4] == (0, 0, 0, 0)
    assert tuple(ledger.balance_at(book, 1, stamps[1]))[:4] == (0, 10, 0, 0)
    assert tuple(ledger.balance_at(book, 1, stamps[3]))[:4] == (0, 22, 0, 11)
    after = moment_of(stamps[4]) + timedelta(microseconds=1)
    assert tuple(ledger.balance_at(book, 1, after))[:4] == (0, 22, 0, 24)
    assert timestamp_of(moment_of(stamps[4])) == stamps[4] // 1000 * 1000


def test_pending_balances_as_of_any_moment(connection: Connection) -> None:
    open_accounts(connection, "1\n2")
    post(connection, "1 1 2 10 pending\n2 1 2 5 pending timeout=5\n3 0 0 4 post pending_id=1")
    held, both, posted = (stamp(connection, n) for n in (1, 2, 3))
    with connection.transaction():
        set_clock_offset(connection, 5)
        assert ledger.expire_pending(connection) == 1
    assert tuple(ledger.balance_at(connection, 1, held))[:4] == (10, 0, 0, 0)
    assert tuple(ledger.balance_at(connection, 1, both))[:4] == (15, 0, 0, 0)
    assert tuple(ledger.balance_at(connection, 2, posted))[:4] == (0, 0, 5, 4)
    assert tuple(ledger.balance_at(connection, 1, posted + 6 * 10**9))[:4] == (0, 4, 0, 0)


def test_statement(book: Connection) -> None:
    report = ledger.statement(book, 1, stamp(book, 2), stamp(book, 4))
    assert tuple(report.opening)[:4] == (0, 10, 0, 0)
    assert tuple(report.closing)[:4] == (0, 22, 0, 11)
    lines = [(line.transfer.id, line.debits_posted, line.credits_posted) for line in report.lines]
    assert lines == [(2, 10, 11), (3, 22, 11)]


def test_a_long_history_is_walked_in_pages(connection: Connection) -> None:
    open_accounts(connection, "1\n2\n3")
    for first in range(1, 2_600, 200):
        post(connection, "\n".join(f"{n} {1 + n % 2} {2 - n % 2} 1" for n in range(first, first + 200)))
        if first % 600 == 1:
            seal_all(connection)
    everything = list(range(1, 2_601))
    assert ids(connection, limit=10_000) == everything
    assert ids(connection, limit=10_000, flags=BOTH | REVERSED) == everything[::-1]
    assert ids(connection, limit=700, flags=BOTH | REVERSED) == everything[:-701:-1]
    report = ledger.statement(connection, 1, 0, 2**62)
    last = list(report.lines)[-1]
    assert (last.transfer.id, last.debits_posted, last.credits_posted) == (2_600, 1_300, 1_300)
