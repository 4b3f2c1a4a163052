"""Which accounts are created, in the order of precedence of the refusals."""

import pytest
from tests.ledger.conftest import Connection
from tests.ledger.tables import MAX, open_accounts

from senim import ledger
from senim.ledger import Account


def test_refusals_by_precedence(connection: Connection) -> None:
    bad = "debits_pending=1 debits_posted=1 credits_pending=1 credits_posted=1"
    data = "user_data_128=2 user_data_64=2 user_data_32=2"
    open_accounts(
        connection,
        f"""
        1 {data} ledger=3 code=4
        0 dr<=cr cr<=dr reserved reserved=1 timestamp=1 ledger=0 code=0 {bad} -> timestamp_must_be_zero
        0 dr<=cr cr<=dr reserved reserved=1 ledger=0 code=0 {bad}             -> reserved_field
        0 dr<=cr cr<=dr reserved ledger=0 code=0 {bad}                        -> reserved_flag
        0 dr<=cr cr<=dr ledger=0 code=0 {bad}                                 -> id_must_not_be_zero
        max dr<=cr cr<=dr ledger=0 code=0 {bad}                               -> id_must_not_be_int_max
        1 dr<=cr cr<=dr ledger=9 code=9 {bad}                                 -> exists_with_different_flags
        1 user_data_128=1 ledger=9 code=9 {bad}                               -> exists_with_different_user_data_128
        1 user_data_128=2 user_data_64=1 ledger=9 code=9                      -> exists_with_different_user_data_64
        1 user_data_128=2 user_data_64=2 user_data_32=1 ledger=9 code=9       -> exists_with_different_user_data_32
        1 {data} ledger=9 code=9                                              -> exists_with_different_ledger
        1 {data} ledger=3 code=9                                              -> exists_with_different_code
        1 {data} ledger=3 code=4 {bad}                                        -> exists
        2 dr<=cr cr<=dr ledger=0 code=0 {bad}                                 -> flags_are_mutually_exclusive
        2 dr<=cr ledger=0 code=0 {bad}                                        -> debits_pending_must_be_zero
        2 debits_posted=1 credits_pending=1 credits_posted=1 ledger=0         -> debits_posted_must_be_zero
        2 credits_pending=1 credits_posted=1 ledger=0                         -> credits_pending_must_be_zero
        2 credits_posted=1 ledger=0                                           -> credits_posted_must_be_zero
        2 ledger=0 code=0                                                     -> ledger_must_not_be_zero
        2 code=0                                                              -> code_must_not_be_zero
        """,
    )
    assert [a.id for a in ledger.lookup_accounts(connection, [MAX, 0, 1, 2])] == [1]


def test_linked_chains(connection: Connection) -> None:
    open_accounts(
        connection,
        """
        7
        1 linked -> linked_event_failed
        2 linked -> linked_event_failed
        1 linked -> exists
        3        -> linked_event_failed
        1                                   # sees nothing of the failed chain
        1 linked code=2 -> exists_with_different_flags
        2               -> linked_event_failed
        2
        3 linked        -> linked_event_failed
        1 ledger=2      -> exists_with_different_ledger
        3 linked
        4
        5 linked        -> linked_event_failed
        6 linked        -> linked_event_chain_open
        """,
    )
    assert [a.id for a in ledger.lookup_accounts(connection, [7, 1, 2, 3, 4, 5, 6])] == [7, 1, 2, 3, 4]


def test_an_open_chain_says_so_even_when_it_has_failed_before(connection: Connection) -> None:
    open_accounts(
        connection,
        """
        1
        2 linked -> linked_event_failed
        1 linked -> exists_with_different_flags
        3 linked -> linked_event_chain_open
        """,
    )
    open_accounts(connection, "4 linked -> linked_event_chain_open")


def test_imported_accounts(connection: Connection) -> None:
    open_accounts(
        connection,
        """
        1 imported timestamp=0            -> imported_event_timestamp_out_of_range
        1 imported timestamp=9223372036854775808 -> imported_event_timestamp_out_of_range
        1 imported timestamp=9223372036854775807 -> imported_event_timestamp_must_not_advance
        1 imported timestamp=2
        2 imported timestamp=1            -> imported_event_timestamp_must_not_regress
        2                                 -> imported_event_expected
        2 imported timestamp=3
        2 imported timestamp=9            -> exists
        """,
    )
    open_accounts(
        connection,
        """
        3
        4 imported timestamp=4 -> imported_event_not_expected
        """,
    )
    assert [a.timestamp for a in ledger.lookup_accounts(connection, [1, 2])] == [2, 3]


def test_a_failed_imported_chain_gives_its_timestamps_back(connection: Connection) -> None:
    open_accounts(
        connection,
        """
        1 linked imported timestamp=1 -> linked_event_failed
        2 linked imported timestamp=2 -> linked_event_failed
        3 imported timestamp=0        -> imported_event_timestamp_out_of_range
        1 linked imported timestamp=1
        2 linked imported timestamp=2
        3 imported timestamp=3
        """,
    )


@pytest.mark.parametrize("value", [1, 2**31, 2**32 - 1])
def test_unsigned_values_come_back_exactly(connection: Connection, value: int) -> None:
    asked = Account(
        id=MAX - 1,
        user_data_128=MAX - value,
        user_data_64=2**64 - value,
        user_data_32=value,
        ledger=value,
        code=min(value, 2**16 - 1),
        flags=8,
    )
    with connection.transaction():
        assert ledger.create_accounts(connection, [asked]).all_ok
    (found,) = ledger.lookup_accounts(connection, [MAX - 1])
    assert found._replace(timestamp=0) == asked


def test_an_account_may_be_created_closed(connection: Connection) -> None:
    open_accounts(connection, "1 closed")
    open_accounts(connection, "1 closed -> exists")


def test_nothing_asked_nothing_answered(connection: Connection) -> None:
    assert list(ledger.create_accounts(connection, [])) == []
    assert list(ledger.post(connection, [])) == []
    assert ledger.lookup_accounts(connection, []) == []
    assert ledger.lookup_transfers(connection, []) == []
