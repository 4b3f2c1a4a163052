"""Whoever changes the ledger behind its back is found, and the row is named."""

import re

import psycopg
import pytest
from tests.ledger.conftest import Connection
from tests.ledger.tables import open_accounts, post

from senim import ledger
from senim.ledger.errors import LedgerError
from senim.ledger.schema import set_clock_offset
from senim.ledger.sealing import LOCK, seal, seal_all
from senim.ledger.verify import Finding, verify


def run(connection: Connection, statement: str) -> int:
    """Run a statement in which ``#14`` stands for the id 14; the number of rows it touched."""
    text = re.sub(r"#(\d+)", lambda match: f"'{int(match.group(1)):032x}'::uuid", statement)
    return connection.execute(text.encode()).rowcount


@pytest.fixture
def book(connection: Connection) -> Connection:
    """A bit of everything, in three seals."""
    open_accounts(connection, "1 history\n2\n3 dr<=cr\n4")
    post(
        connection,
        "1 1 2 100\n2 1 3 50\n3 1 2 5 pending\n4 1 2 6 pending timeout=5\n5 3 9 1 -> credit_account_not_found",
    )
    seal_all(connection)
    post(connection, "11 0 0 5 post pending_id=3\n12 1 2 0 pending close_cr\n13 0 0 0 void pending_id=12\n14 1 4 7")
    seal_all(connection)
    with connection.transaction():
        set_clock_offset(connection, 10)
        assert ledger.expire_pending(connection) == 1
    post(connection, "21 1 2 1\n22 2 4 3\n23 1 4 0 pending close_cr")
    seal_all(connection)
    post(connection, "31 1 2 1")
    return connection


def test_an_honest_ledger_is_sound(book: Connection) -> None:
    told: list[tuple[str, int, int]] = []
    report = verify(book, progress=lambda *step: told.append(step))
    assert report.is_sound, report.findings
    assert (report.accounts, report.transfers, report.seals, report.unsealed_transfers) == (4, 12, 5, 1)
    assert report.refused_ids == 1
    assert {done for _, done, total in told if done == total}
    assert set(report.heads) == {"ledger_account", "ledger_transfer", "refused_ids"}
    seal_all(book)
    again = verify(book)
    assert again.is_sound
    assert again.unsealed_transfers == 0
    assert again.heads["ledger_transfer"] != report.heads["ledger_transfer"]


INSERT = (
    'INSERT INTO ledger_transfer ("timestamp", amount, ledger, code, flags, id, debit_account_id, credit_account_id) '
    'SELECT "timestamp" + {shift}, amount, ledger, code, flags, #99, debit_account_id, credit_account_id '
    "FROM ledger_transfer WHERE id = {like}"
)

TAMPERED = {
    "an amount": ("UPDATE ledger_transfer SET amount = amount + 1 WHERE id = #2", "changed", "ledger_transfer", 2),
    "a detail": ("UPDATE ledger_transfer SET user_data_64 = 1 WHERE id = #14", "changed", "ledger_transfer", 14),
    "an id": ("UPDATE ledger_transfer SET id = #77 WHERE id = #14", "changed", "ledger_transfer", 77),
    "a refused id": ("DELETE FROM ledger_transfer WHERE id = #5", "removed", "ledger_transfer", None),
    "a refusal rewritten": (
        "UPDATE ledger_transfer SET failed_status = 21 WHERE id = #5",
        "changed",
        "ledger_transfer",
        5,
    ),
    "a refusal made a transfer": (
        "UPDATE ledger_transfer SET failed_status = NULL WHERE id = #5",
        "inserted",
        "ledger_transfer",
        5,
    ),
    "a refusal put in": (
        'INSERT INTO ledger_transfer ("timestamp", id, failed_status) SELECT reached[3] - 1, #98, 54 FROM ledger_tick',
        "inserted",
        "ledger_transfer",
        98,
    ),
    "a transfer removed": ("DELETE FROM ledger_transfer WHERE id = #14", "removed", "ledger_transfer", 14),
    "a transfer put in": (INSERT.format(shift=1, like="#14"), "inserted", "ledger_transfer", 99),
    "one put in with a used timestamp": (INSERT.format(shift=0, like="#14"), "inserted", "ledger_transfer", 99),
    "one put in right after the last seal": (INSERT.format(shift=1, like="#23"), "inserted", "ledger_transfer", 99),
    "one put in before all": (INSERT.format(shift=-(10**11), like="#1"), "inserted", "ledger_transfer", 99),
    "one put in from the future": (INSERT.format(shift=10**15, like="#1"), "inserted", "ledger_transfer", 99),
    "one not sealed yet": ("UPDATE ledger_transfer SET amount = 2 WHERE id = #31", "suspect", "ledger_transfer", 31),
    "an account put in": (
        "INSERT INTO ledger_account SELECT #97, reached[1] - 1, 0, 1, 0, 1, 0, #0 FROM ledger_tick",
        "inserted",
        "ledger_account",
        97,
    ),
    "an account's code": ("UPDATE ledger_account SET code = 9 WHERE id = #2", "changed", "ledger_account", 2),
    "an account removed": ("DELETE FROM ledger_account WHERE id = #2", "removed", "ledger_account", 2),
    "a balance": ("UPDATE ledger_balance SET debits_posted = 0 WHERE account_id = #1", "changed", "ledger_balance", 1),
    "a held balance": (
        "UPDATE ledger_balance SET credits_pending = 1 WHERE account_id = #3",
        "changed",
        "ledger_balance",
        3,
    ),
    "a limit lifted": ("UPDATE ledger_balance SET flags = 0 WHERE account_id = #3", "changed", "ledger_balance", 3),
    "an account opened": ("UPDATE ledger_balance SET flags = 0 WHERE account_id = #4", "changed", "ledger_balance", 4),
    "a balance removed": ("DELETE FROM ledger_balance WHERE account_id = #1", "changed", "ledger_balance", 1),
    "a posting forgotten": (
        "UPDATE ledger_pending SET status = 0, resolved_at = NULL WHERE transfer_id = #3",
        "changed",
        "ledger_pending",
        3,
    ),
    "an expiry forgotten": (
        "UPDATE ledger_pending SET status = 0, resolved_at = NULL WHERE transfer_id = #4",
        "changed",
        "ledger_balance",
        1,
    ),
    "an expiry too early": (
        "UPDATE ledger_pending SET status = 3, resolved_at = 1 WHERE transfer_id = #23",
        "changed",
        "ledger_pending",
        23,
    ),
    "a pending state removed": ("DELETE FROM ledger_pending WHERE transfer_id = #23", "changed", "ledger_pending", 23),
    "a past balance": ("UPDATE ledger_history SET debits_posted = 7", "changed", "ledger_history", 1),
    "a past balance removed": ("DELETE FROM ledger_history", "removed", "ledger_history", 1),
    "an entry removed": (
        "DELETE FROM ledger_entry WHERE account_id = #4 AND seal = 1",
        "changed",
        "ledger_entry",
        None,
    ),
    "an entry moved": (
        "UPDATE ledger_entry SET account_id = #3 WHERE account_id = #4 AND seal = 1",
        "changed",
        "ledger_entry",
        None,
    ),
    "a seal removed": ("DELETE FROM ledger_seal WHERE kind = 1 AND number = 1", "removed", "ledger_seal", None),
    "a seal's root": (
        "UPDATE ledger_seal SET root = sha256('x') WHERE kind = 1 AND number = 1",
        "changed",
        "ledger_seal",
        1,
    ),
    "a seal's leaves": (
        "UPDATE ledger_seal SET leaves = leaves || '\\x00' WHERE kind = 1 AND number = 2",
        "changed",
        "ledger_seal",
        2,
    ),
}


@pytest.mark.clause("EM-55.1")
@pytest.mark.clause("PO-34.1")
@pytest.mark.parametrize("what", TAMPERED)
def test_what_was_changed_is_named(book: Connection, what: str) -> None:
    statement, problem, table, row = TAMPERED[what]
    assert run(book, statement) > 0
    report = verify(book)
    assert not report.is_sound
    named = [f for f in report.findings if (f.problem, f.table) == (problem, table)]
    assert named, report.findings
    if row is not None:
        assert str(row) in [f.id for f in named]


def test_a_change_that_also_mends_the_balances_is_found(book: Connection) -> None:
    run(book, "UPDATE ledger_transfer SET amount = amount + 1 WHERE id = #1")
    run(book, "UPDATE ledger_balance SET debits_posted = debits_posted + 1 WHERE account_id = #1")
    run(book, "UPDATE ledger_balance SET credits_posted = credits_posted + 1 WHERE account_id = #2")
    run(book, "UPDATE ledger_history SET debits_posted = debits_posted + 1")
    assert [(f.problem, f.table, f.id) for f in verify(book).findings] == [("changed", "ledger_transfer", "1")]


def test_a_row_put_in_does_not_get_into_the_chain_later(book: Connection) -> None:
    run(book, INSERT.format(shift=1, like="#23"))
    seal_all(book)
    found = verify(book).findings
    assert ("inserted", "ledger_transfer", "99") in [(f.problem, f.table, f.id) for f in found]


def test_sealing_waits_for_transactions_under_way(book: Connection, server_url: str, schema: str) -> None:
    seal_all(book)
    with psycopg.connect(server_url, options=f"-c search_path={schema}") as slow:
        ledger.post(slow, [ledger.Transfer(id=41, debit_account_id=1, credit_account_id=2, amount=1, ledger=1, code=1)])
        post(book, "42 4 3 0 -> debit_account_already_closed")
        seal(book)
        assert seal(book).row_count == 0, "a row with an older timestamp could still appear"
        slow.commit()
    assert seal_all(book).row_count == 2
    assert verify(book).is_sound


def test_only_one_seals_at_a_time(book: Connection, server_url: str, schema: str) -> None:
    with psycopg.connect(server_url, options=f"-c search_path={schema}") as other, other.transaction():
        other.execute(LOCK)
        assert seal(book).is_complete is False
    assert seal(book).is_complete


def test_sealing_refuses_to_share_a_transaction(book: Connection) -> None:
    with book.transaction(), pytest.raises(LedgerError, match="transactions of its own"):
        seal(book)


def test_imported_transfers_are_sealed(connection: Connection) -> None:
    open_accounts(connection, "1 imported timestamp=1\n2 imported timestamp=2")
    seal_all(connection)
    post(connection, "1 1 2 5 imported timestamp=10")
    seal_all(connection)
    post(connection, "2 1 2 5 imported timestamp=20")
    seal_all(connection)
    report = verify(connection)
    assert report.is_sound, report.findings
    assert report.unsealed_transfers == 0


def test_an_import_goes_on_after_refusals(connection: Connection) -> None:
    open_accounts(connection, "1 imported timestamp=1\n2 imported timestamp=2")
    post(connection, "1 1 9 5 imported timestamp=10 -> credit_account_not_found")
    post(connection, "2 9 1 5 -> debit_account_not_found")
    seal_all(connection)
    post(connection, "3 1 2 5 imported timestamp=10\n4 1 2 6 imported timestamp=11")
    post(connection, "1 1 2 5 imported timestamp=12 -> id_already_failed")
    seal_all(connection)
    post(connection, "5 1 2 5 imported timestamp=11 -> imported_event_timestamp_must_not_regress")
    post(connection, "6 1 2 5 imported timestamp=12")
    report = verify(connection)
    assert report.is_sound, report.findings
    assert (report.transfers, report.unsealed_transfers, report.refused_ids) == (3, 1, 2)
    seal_all(connection)
    assert verify(connection).is_sound


def test_the_report_has_a_plain_form(book: Connection) -> None:
    run(book, "UPDATE ledger_transfer SET code = 5")
    report = verify(book)
    fields = report.as_json()
    assert fields["sound"] is False
    assert Finding(**fields["findings"][0]) == report.findings[0]
