"""Which transfers are posted: every status, by precedence, and what it leaves behind."""

import pytest
from psycopg.errors import InFailedSqlTransaction
from tests.ledger.conftest import Connection
from tests.ledger.tables import MAX, balances, is_closed, open_accounts, post

from senim import ledger
from senim.ledger import Transfer
from senim.ledger.errors import LedgerContention
from senim.ledger.schema import set_clock_offset
from senim.ledger.types import TIMESTAMP_MAX


@pytest.fixture
def book(connection: Connection) -> Connection:
    """1 and 3 free, 2 in another ledger, 4 limited by its credits, 5 by its debits."""
    open_accounts(
        connection,
        """
        1
        2 ledger=2
        3
        4 dr<=cr
        5 cr<=dr
        """,
    )
    return connection


def advance(connection: Connection, seconds: int) -> None:
    """Move the clock and release what is due."""
    with connection.transaction():
        set_clock_offset(connection, seconds)
    with connection.transaction():
        ledger.expire_pending(connection)


def test_refusals_by_form_and_account(book: Connection) -> None:
    post(
        book,
        """
        0 0 0 9 pending_id=1 pending reserved ledger=0 code=0 timestamp=1 -> timestamp_must_be_zero
        0 0 0 9 pending_id=1 pending reserved ledger=0 code=0 -> reserved_flag
        0 0 0 9 pending_id=1 pending ledger=0 code=0          -> id_must_not_be_zero
        max 0 0 9 pending_id=1 pending ledger=0 code=0        -> id_must_not_be_int_max
        1 0 0 9 pending_id=1 pending ledger=0 code=0          -> debit_account_id_must_not_be_zero
        1 max 0 9 pending_id=1 pending ledger=0 code=0        -> debit_account_id_must_not_be_int_max
        1 8 0 9 pending_id=1 pending ledger=0 code=0          -> credit_account_id_must_not_be_zero
        1 8 max 9 pending_id=1 pending ledger=0 code=0        -> credit_account_id_must_not_be_int_max
        1 8 8 9 pending_id=1 pending ledger=0 code=0          -> accounts_must_be_different
        1 8 9 9 pending_id=1 pending ledger=0 code=0          -> pending_id_must_be_zero
        1 8 9 9 timeout=1 close_dr ledger=0 code=0            -> timeout_reserved_for_pending_transfer
        1 8 9 9 close_dr ledger=0 code=0                      -> closing_transfer_must_be_pending
        1 8 9 9 close_cr ledger=0 code=0                      -> closing_transfer_must_be_pending
        1 8 9 9 pending ledger=0 code=0                       -> ledger_must_not_be_zero
        1 8 9 9 pending ledger=9 code=0                       -> code_must_not_be_zero
        1 8 9 9 pending ledger=9                              -> debit_account_not_found
        1 1 3 123                                             -> id_already_failed
        2 1 9 9 pending ledger=9                              -> credit_account_not_found
        2 1 3 123                                             -> id_already_failed
        3 1 2 1 pending ledger=9                              -> accounts_must_have_the_same_ledger
        3 1 3 1 pending ledger=9                              -> transfer_must_have_the_same_ledger_as_accounts
        """,
    )
    assert ledger.lookup_transfers(book, [1, 2, 3]) == []
    assert balances(book, 1) == balances(book, 3) == (0, 0, 0, 0)


def test_overflows_are_told_from_what_storage_cannot_hold(book: Connection) -> None:
    post(
        book,
        """
        1 1 3 100 pending
        2 1 3 200
        3 3 1 10 pending
        4 1 3 max-99 pending  -> overflows_debits_pending
        4 1 3 max-199         -> overflows_debits_posted
        4 1 3 max-299         -> overflows_debits
        4 5 1 max-9 pending   -> overflows_credits_pending
        4 5 3 max-199         -> overflows_credits_posted
        4 5 3 max-299         -> overflows_credits
        4 1 3 max-300         -> amount_exceeds_storage
        4 1 3 9223372036854775808 -> amount_exceeds_storage
        4 1 3 9223372036854775808 pending -> amount_exceeds_storage
        4 1 3 9223372036854775508 -> amount_exceeds_storage
        4 1 3 9223372036854775507       # debits are now 2^63-1, and the refused id was not used up
        5 1 3 1 -> amount_exceeds_storage
        6 1 3 1 pending -> amount_exceeds_storage
        7 3 1 5
        """,
    )
    assert balances(book, 1) == (100, 2**63 - 101, 10, 5)


def test_the_short_way_leaves_huge_sums_to_the_exact_one(book: Connection) -> None:
    post(book, "1 1 3 4611686018427387904")
    post(book, "2 1 3 4611686018427387903")
    post(book, "3 1 3 1 -> amount_exceeds_storage")
    post(book, "3 3 1 1")
    assert balances(book, 1) == (0, 2**63 - 1, 0, 1)


def test_limits(book: Connection) -> None:
    post(
        book,
        """
        1 4 1 1 -> exceeds_credits
        1 1 4 9 -> id_already_failed
        2 3 5 1 -> exceeds_debits
        3 1 4 10
        4 4 1 4 pending
        5 4 1 7 -> exceeds_credits
        6 4 1 6
        7 4 1 0
        8 5 1 10
        9 3 5 10
        10 3 5 1 -> exceeds_debits
        """,
    )
    assert balances(book, 4) == (4, 6, 0, 10)
    assert balances(book, 5) == (0, 10, 0, 10)
    post(book, "11 4 1 1 -> exceeds_credits")
    post(book, "11 1 4 5 -> id_already_failed")


def test_a_refused_transfer_in_a_plain_batch_takes_nothing_with_it(book: Connection) -> None:
    post(
        book,
        """
        1 1 4 5
        2 4 3 3
        3 4 3 3 -> exceeds_credits
        4 4 3 2
        5 1 3 7
        """,
    )
    assert balances(book, 1) == (0, 12, 0, 0)
    assert balances(book, 4) == (0, 5, 0, 5)
    assert balances(book, 3) == (0, 0, 0, 12)


def test_order_within_a_batch_matters(book: Connection) -> None:
    post(
        book,
        """
        1 4 3 5 -> exceeds_credits
        2 1 4 5
        3 4 3 5
        """,
    )


def test_repeats(book: Connection) -> None:
    first, again = (
        post(book, "5 1 3 123 pending timeout=1 user_data_128=7 user_data_64=8 user_data_32=9"),
        post(book, "5 1 3 123 pending timeout=1 user_data_128=7 user_data_64=8 user_data_32=9 -> exists"),
    )
    assert first[0].timestamp == again[0].timestamp
    data = "user_data_128=7 user_data_64=8 user_data_32=9"
    post(
        book,
        f"""
        5 3 1 max pending_id=2 code=2                   -> exists_with_different_flags
        5 3 1 max pending pending_id=2 timeout=2 code=2 -> exists_with_different_pending_id
        5 3 1 max pending timeout=2 code=2              -> exists_with_different_timeout
        5 3 1 max pending timeout=1 code=2              -> exists_with_different_debit_account_id
        5 1 4 max pending timeout=1 code=2              -> exists_with_different_credit_account_id
        5 1 3 max pending timeout=1 code=2              -> exists_with_different_amount
        5 1 3 123 pending timeout=1 code=2              -> exists_with_different_user_data_128
        5 1 3 123 pending timeout=1 code=2 user_data_128=7 -> exists_with_different_user_data_64
        5 1 3 123 pending timeout=1 code=2 user_data_128=7 user_data_64=8 -> exists_with_different_user_data_32
        5 1 3 123 pending timeout=1 code=2 ledger=2 {data} -> exists_with_different_ledger
        5 1 3 123 pending timeout=1 code=2 {data}       -> exists_with_different_code
        6 1 3 7
        6 1 3 7                                         -> exists
        """,
    )
    post(book, "6 1 3 7 -> exists")
    assert balances(book, 1) == (123, 7, 0, 0)


def test_two_phases(book: Connection) -> None:
    post(
        book,
        """
        1 1 3 15
        2 1 3 15 pending timeout=1000
        3 1 3 15 pending timeout=50
        4 1 3 15 pending timeout=1
        5 1 3 7 pending timeout=50 user_data_128=9 user_data_64=9 user_data_32=9
        6 1 3 1 pending
        7 1 3 1 pending
        """,
    )
    assert balances(book, 1) == (54, 15, 0, 0)
    with book.transaction():
        set_clock_offset(book, 1)
    data = "user_data_128=1 user_data_64=1 user_data_32=1"
    post(
        book,
        f"""
        101 1 3 13 post pending_id=2 {data}
        101 1 3 15 void pending_id=3             -> exists_with_different_flags
        101 1 3 13 post pending_id=3             -> exists_with_different_pending_id
        101 1 3 14 post pending_id=2             -> exists_with_different_amount
        101 1 3 0 post pending_id=2              -> exists_with_different_amount
        101 1 3 13 post pending_id=2 user_data_128=2 -> exists_with_different_user_data_128
        101 0 0 13 post pending_id=2 ledger=0 code=0 {data} -> exists
        102 8 9 16 pending post void timeout=50 ledger=6 code=7 -> flags_are_mutually_exclusive
        102 8 9 16 post void                     -> flags_are_mutually_exclusive
        102 8 9 16 void bal_dr                   -> flags_are_mutually_exclusive
        102 8 9 16 post bal_cr                   -> flags_are_mutually_exclusive
        102 8 9 16 post close_dr                 -> flags_are_mutually_exclusive
        102 8 9 16 void close_cr                 -> flags_are_mutually_exclusive
        102 8 9 16 void timeout=50               -> pending_id_must_not_be_zero
        102 8 9 16 void timeout=50 pending_id=max -> pending_id_must_not_be_int_max
        102 8 9 16 void timeout=50 pending_id=102 -> pending_id_must_be_different
        102 8 9 16 void timeout=50 pending_id=103 -> timeout_reserved_for_pending_transfer
        102 8 9 16 void pending_id=103 ledger=6 code=7 -> pending_transfer_not_found
        102 1 3 13                               -> id_already_failed
        103 8 9 16 void pending_id=1 ledger=6 code=7 -> pending_transfer_not_pending
        103 8 9 16 void pending_id=3 ledger=6 code=7 -> pending_transfer_has_different_debit_account_id
        103 1 9 16 void pending_id=3 ledger=6 code=7 -> pending_transfer_has_different_credit_account_id
        103 1 3 16 void pending_id=3 ledger=6 code=7 -> pending_transfer_has_different_ledger
        103 1 3 16 void pending_id=3 code=7          -> pending_transfer_has_different_code
        103 1 3 16 void pending_id=3                 -> exceeds_pending_transfer_amount
        103 1 3 14 void pending_id=3                 -> pending_transfer_has_different_amount
        103 1 3 13 post pending_id=2                 -> pending_transfer_already_posted
        103 1 3 15 void pending_id=3
        104 1 3 13 post pending_id=3                 -> pending_transfer_already_voided
        104 1 3 15 void pending_id=4                 -> pending_transfer_expired
        105 0 0 8 post pending_id=5 ledger=0 code=0  -> exceeds_pending_transfer_amount
        105 0 0 max post pending_id=5 ledger=0 code=0
        105 0 0 7 post pending_id=5                  -> exists
        105 0 0 max post pending_id=5 ledger=0 code=0 -> exists
        105 0 0 8 post pending_id=5                  -> exists_with_different_amount
        106 0 0 max-1 post pending_id=6              -> exceeds_pending_transfer_amount
        106 0 0 max post pending_id=6
        107 0 0 0 post pending_id=7
        107 0 0 1 post pending_id=7                  -> exists_with_different_amount
        """,
    )
    assert balances(book, 1) == (0, 36, 0, 0)
    assert balances(book, 3) == (0, 0, 0, 36)
    found = ledger.lookup_transfers(book, [101, 105, 106, 107])
    assert [t.amount for t in found] == [13, 7, 1, 0]
    assert (found[1].user_data_128, found[1].ledger, found[1].code, found[1].debit_account_id) == (9, 1, 1, 1)


def test_expiry(book: Connection) -> None:
    post(
        book,
        """
        1 1 3 10 pending
        2 1 3 11 pending timeout=1
        3 1 3 12 pending timeout=2
        4 1 3 13 pending timeout=3
        """,
    )
    for seconds, held in ((1, 35), (2, 23), (3, 10)):
        advance(book, seconds)
        assert balances(book, 1) == (held, 0, 0, 0)
        assert balances(book, 3) == (0, 0, held, 0)
    post(
        book,
        """
        101 1 3 10 post pending_id=1
        102 1 3 11 post pending_id=2 -> pending_transfer_expired
        103 1 3 11 void pending_id=2 -> pending_transfer_expired
        102 1 3 1                       # an expired pending transfer is no transient refusal
        """,
    )
    assert balances(book, 1) == (0, 11, 0, 0)


def test_posting_releases_what_is_due_on_its_own_accounts(book: Connection) -> None:
    post(book, "1 1 4 5")
    post(book, "2 4 3 5 pending timeout=60")
    with book.transaction():
        set_clock_offset(book, 60)
    post(book, "3 4 3 5")
    assert balances(book, 4) == (0, 5, 0, 5)
    assert balances(book, 3) == (0, 0, 0, 5)


def test_overflowing_timeout(book: Connection) -> None:
    with book.transaction():
        set_clock_offset(book, 7_000_000_000)
    post(
        book,
        """
        1 1 3 1 pending timeout=4294967295 -> overflows_timeout
        1 1 3 1 pending timeout=1
        """,
    )


def test_balancing(connection: Connection) -> None:
    open_accounts(connection, "1 dr<=cr\n2 cr<=dr\n3\n9")
    post(connection, "901 9 1 10\n902 1 9 1 pending\n903 2 9 10\n904 9 2 2 pending")
    post(
        connection,
        """
        1 1 3 3 bal_dr ledger=2 -> transfer_must_have_the_same_ledger_as_accounts
        1 1 3 3 bal_dr
        2 1 3 max bal_dr
        3 3 2 3 bal_cr
        4 3 2 13 bal_cr
        5 1 3 1 bal_dr
        6 1 2 1 bal_dr bal_cr
        1 1 3 2 bal_dr -> exists_with_different_amount
        1 1 3 4 bal_dr -> exists
        2 1 3 6 bal_dr -> exists
        2 1 3 0 bal_dr -> exists_with_different_amount
        4 3 2 5 bal_cr -> exists
        """,
    )
    assert [t.amount for t in ledger.lookup_transfers(connection, [1, 2, 3, 4, 5, 6])] == [3, 6, 3, 5, 0, 0]
    assert balances(connection, 1) == (1, 9, 0, 10)
    assert balances(connection, 2) == (0, 10, 2, 8)


def test_balancing_pending(connection: Connection) -> None:
    open_accounts(connection, "1 dr<=cr\n2 cr<=dr\n9")
    post(connection, "901 9 1 10\n902 2 9 10")
    post(connection, "1 1 2 3 pending bal_dr\n2 1 2 13 pending bal_dr\n3 1 2 1 pending bal_dr")
    post(connection, "4 1 2 3 post pending_id=1\n5 1 2 5 post pending_id=2")
    assert [t.amount for t in ledger.lookup_transfers(connection, [1, 2, 3, 4, 5])] == [3, 7, 0, 3, 5]
    assert balances(connection, 1) == (0, 8, 0, 10)


def test_chains_succeed_or_fail_whole(connection: Connection) -> None:
    open_accounts(connection, "1\n2\n3 cr<=dr")
    post(connection, "900 2 1 40")
    post(
        connection,
        """
        1 1 2 41 linked           -> linked_event_failed
        2 2 3 1 linked pending    -> exceeds_debits
        3 2 3 0 void pending_id=2 -> linked_event_failed
        """,
    )
    post(
        connection,
        """
        1 1 2 0                   # an id of a failed chain may be used again
        2 2 3 0 -> id_already_failed # but not the one refused for a transient reason
        3 2 3 0
        4 1 2 40 linked
        5 2 1 1 linked pending
        6 0 0 0 void pending_id=5
        7 1 2 1 linked -> linked_event_failed
        8 1 2 1 linked -> linked_event_chain_open
        """,
    )
    assert balances(connection, 1) == (0, 40, 0, 40)


def test_a_chain_undone_leaves_pendings_as_they_were(book: Connection) -> None:
    post(book, "1 1 3 10 pending")
    post(
        book,
        """
        2 0 0 4 linked post pending_id=1 -> linked_event_failed
        3 1 3 1 linked pending           -> linked_event_failed
        4 1 3 1 ledger=0                 -> ledger_must_not_be_zero
        5 0 0 max post pending_id=1
        """,
    )
    assert balances(book, 1) == (0, 10, 0, 0)


def test_closing_and_opening_again(book: Connection) -> None:
    post(
        book,
        """
        1 1 3 15
        2 1 3 0 pending close_dr
        2 1 3 0 pending close_dr -> exists
        3 1 3 5 -> debit_account_already_closed
        3 1 3 5 -> id_already_failed
        4 3 1 5 -> credit_account_already_closed
        """,
    )
    assert is_closed(book, 1)
    post(
        book,
        """
        5 1 3 0 post pending_id=2 -> debit_account_already_closed
        5 1 3 0 void pending_id=2 -> id_already_failed
        6 1 3 0 void pending_id=2
        7 1 3 5
        8 1 3 10 pending timeout=1
        9 1 3 10 pending
        10 1 3 0 pending close_cr timeout=2
        11 1 3 10 post pending_id=9 -> credit_account_already_closed
        12 1 3 10 void pending_id=9 # the one movement that a closed account allows
        """,
    )
    assert (balances(book, 1), is_closed(book, 1), is_closed(book, 3)) == ((10, 20, 0, 0), False, True)
    advance(book, 1)
    assert (balances(book, 3), is_closed(book, 3)) == ((0, 0, 0, 20), True)
    advance(book, 2)
    assert not is_closed(book, 3)
    post(
        book,
        """
        13 1 3 0 pending close_dr close_cr
        14 1 4 5 -> debit_account_already_closed
        15 4 3 0 pending close_cr -> credit_account_already_closed
        """,
    )


def test_imported(connection: Connection) -> None:
    open_accounts(
        connection, "1 imported timestamp=2\n2 imported timestamp=3\n3 imported timestamp=9\n4 imported timestamp=20"
    )
    post(
        connection,
        f"""
        1 1 2 3 imported timestamp=0  -> imported_event_timestamp_out_of_range
        1 1 2 3 imported timestamp={TIMESTAMP_MAX} -> imported_event_timestamp_must_not_advance
        1 1 2 3 imported timestamp=2  -> imported_event_timestamp_must_not_regress
        1 3 2 3 imported timestamp=4  -> imported_event_timestamp_must_postdate_debit_account
        1 1 3 3 imported timestamp=4  -> imported_event_timestamp_must_postdate_credit_account
        1 1 2 3 imported timestamp=4
        2 1 2 3                       -> imported_event_expected
        2 1 2 3 imported timestamp=3  -> imported_event_timestamp_must_not_regress
        2 1 2 4 imported pending timeout=1 timestamp=5 -> imported_event_timeout_must_be_zero
        2 1 2 4 imported pending timestamp=5
        2 1 2 4 imported pending timestamp=1 -> exists
        3 1 2 4 imported post pending_id=2 timestamp=5 -> imported_event_timestamp_must_not_regress
        3 1 2 4 imported post pending_id=2 timestamp=6
        """,
    )
    post(connection, "4 1 2 1 imported timestamp=6 -> imported_event_timestamp_must_not_regress")
    post(connection, "4 1 2 1\n5 1 2 1 imported timestamp=7 -> imported_event_not_expected")
    assert [t.timestamp for t in ledger.lookup_transfers(connection, [1, 2, 3])] == [4, 5, 6]
    assert balances(connection, 1) == (0, 8, 0, 0)


@pytest.mark.parametrize("amount", [0, 1])
def test_every_field_comes_back_exactly(book: Connection, amount: int) -> None:
    asked = Transfer(
        id=MAX - 1,
        debit_account_id=1,
        credit_account_id=3,
        amount=amount,
        user_data_128=MAX,
        user_data_64=2**64 - 1,
        user_data_32=2**32 - 1,
        ledger=1,
        code=2**16 - 1,
    )
    timed = asked._replace(id=2, flags=2, timeout=2**32 - 1)
    with book.transaction():
        assert ledger.post(book, [asked]).all_ok
        assert ledger.post(book, [timed]).all_ok
    assert [t._replace(timestamp=0) for t in ledger.lookup_transfers(book, [2, MAX - 1])] == [timed, asked]


def test_a_posting_broken_off_cannot_be_committed(book: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("senim.ledger.exact.ATTEMPTS_MAX", 0)
    event = Transfer(id=1, debit_account_id=4, credit_account_id=3, amount=5, ledger=1, code=1)
    with book.transaction():
        with pytest.raises(LedgerContention):
            ledger.post(book, [event])
        with pytest.raises(InFailedSqlTransaction):
            book.execute(b"SELECT 1")
    assert balances(book, 4) == (0, 0, 0, 0)
