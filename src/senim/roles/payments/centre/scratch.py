"""A small market in an empty, migrated database: for the bench and for tests, without people and approvals.

The banks, their keys and their customers' accounts are plainly made up; accounts and money go through the ledger's own
door, so that all of its invariants hold.
"""

import datetime as dt
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import psycopg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from psycopg.rows import TupleRow

from senim import ledger
from senim.kernel.delivery.signatures import SigningKey, ed25519_signing_key, hmac_signing_key
from senim.kernel.values import iban
from senim.kernel.values.almaty import operating_day
from senim.ledger.types import Account, AccountFlags, Status, TransferColumns
from senim.roles.payments.rules.accounts import CAP_CONTROL_ID, CLEARING_HUB_ID, Purpose, participant_account_id
from senim.roles.payments.rules.codes import participant_code
from senim.roles.payments.rules.kinds import LEDGER_KZT, AccountCode, TransferCode
from senim.roles.payments.services.authorise import operation_ids

Sealer = Callable[[bytes], bytes]
"""Encrypts a shared secret as the Centre will open it."""

PORTION: Final = 8_000
_LIMITED: Final = AccountFlags.CREDITS_MUST_NOT_EXCEED_DEBITS
_CUSTOMER: Final = AccountFlags.DEBITS_MUST_NOT_EXCEED_CREDITS

_BANK: Final = """
INSERT INTO payments_participant (code, role, state, name_kk, name_ru, name_en, bin, bic, bank_code, contract_number,
    contract_date, settlement_iban, collateral_tiyn, net_debit_cap_tiyn, peer_code, registered_at)
VALUES (%(code)s, 'bank', 'active', %(name)s, %(name)s, %(name)s, %(bin)s, %(bic)s, %(bank_code)s, '1', %(day)s, '',
    %(cap)s, %(cap)s, '', now())
RETURNING id
"""
_KEY: Final = """
INSERT INTO payments_participantkey (key_id, algorithm, material, participant_id, valid_from)
VALUES (%s, %s, %s, %s, now() - interval '1 day')
"""
_DAY: Final = """
INSERT INTO payments_operatingday (day, state, opened_at, closed_by, operation_count, operation_amount_tiyn, trouble)
VALUES (%s, 'open', now(), '', 0, 0, '') ON CONFLICT DO NOTHING
"""


@dataclass(frozen=True, slots=True)
class MadeBank:
    """A bank of the market: its row, its two signing keys and its customers' IBANs."""

    id: int
    bank_code: str
    ed25519: SigningKey
    hmac: SigningKey
    customers: list[str] = field(default_factory=list)


def make_market(
    connection: psycopg.Connection[TupleRow],
    *,
    seal: Sealer,
    banks: int = 3,
    customers_per_bank: int = 10,
    balance_tiyn: int = 100_000_000,
    cap_tiyn: int = 10**15,
    days: Sequence[dt.date] | None = None,
) -> list[MadeBank]:
    """Make banks with keys, caps and customers with money, and open operating days (today by default)."""
    made = [_make_bank(connection, number, cap_tiyn, seal) for number in range(1, banks + 1)]
    for bank in made:
        bank.customers.extend(iban.make(bank.bank_code, f"A{number:012d}") for number in range(customers_per_bank))
        _open_customers(connection, bank, balance_tiyn)
    for day in days or [operating_day(dt.datetime.now(dt.UTC))]:
        connection.execute(_DAY, (day,))
    return made


def _make_bank(connection: psycopg.Connection[TupleRow], number: int, cap_tiyn: int, seal: Sealer) -> MadeBank:
    bank_code = f"{900 + number}"
    private, secret = _material(number)
    row = connection.execute(
        _BANK,
        {
            "code": participant_code(number),
            "name": f"Bank {number}",
            "bin": f"{number:012d}",
            "bic": f"EXAMKZ{number:02d}",
            "bank_code": bank_code,
            "day": dt.date(2026, 1, 1),
            "cap": cap_tiyn,
        },
    ).fetchone()
    assert row is not None
    public = Ed25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()
    connection.execute(_KEY, (f"{bank_code}-ed25519", "ed25519", public, row[0]))
    connection.execute(_KEY, (f"{bank_code}-hmac", "hmac-sha256", seal(secret), row[0]))
    _open_own_accounts(connection, bank_code, cap_tiyn)
    return MadeBank(
        row[0],
        bank_code,
        ed25519_signing_key(f"{bank_code}-ed25519", private),
        hmac_signing_key(f"{bank_code}-hmac", secret),
    )


def _material(number: int) -> tuple[bytes, bytes]:
    """The bank's private ed25519 key and its shared secret: the same each time, and worth nothing outside."""
    private, secret = (hashlib.sha256(f"{what} {number}".encode()).digest() for what in ("private", "secret"))
    return private, secret


def raw_keys(bank: MadeBank, number: int) -> dict[str, str | list[str]]:
    """What a load generator in another process needs of the bank made as ``number`` (from 1)."""
    private, secret = _material(number)
    return {
        "ed25519 key": bank.ed25519.key_id,
        "ed25519": private.hex(),
        "hmac-sha256 key": bank.hmac.key_id,
        "hmac-sha256": secret.hex(),
        "customers": bank.customers,
    }


def _open_own_accounts(connection: psycopg.Connection[TupleRow], bank_code: str, cap_tiyn: int) -> None:
    def account(purpose: Purpose, code: AccountCode) -> Account:
        return Account(id=participant_account_id(bank_code, purpose), ledger=LEDGER_KZT, code=code)

    wanted = [
        Account(id=CAP_CONTROL_ID, ledger=LEDGER_KZT, code=AccountCode.CAP_CONTROL),
        Account(id=CLEARING_HUB_ID, ledger=LEDGER_KZT, code=AccountCode.CLEARING_HUB),
        account(Purpose.CLEARING, AccountCode.CLEARING)._replace(flags=_LIMITED),
        account(Purpose.CASH, AccountCode.CASH),
        account(Purpose.SETTLEMENT, AccountCode.SETTLEMENT),
    ]
    opened = ledger.create_accounts(connection, wanted)
    assert all(result.status in (Status.OK, Status.EXISTS) for result in opened)
    if cap_tiyn:
        clearing = participant_account_id(bank_code, Purpose.CLEARING)
        _post(connection, [clearing], CAP_CONTROL_ID, cap_tiyn, TransferCode.CAP_CHANGE)


def _open_customers(connection: psycopg.Connection[TupleRow], bank: MadeBank, balance_tiyn: int) -> None:
    settlement = participant_account_id(bank.bank_code, Purpose.SETTLEMENT)
    for start in range(0, len(bank.customers), PORTION):
        numbers = [iban.account_id(customer) for customer in bank.customers[start : start + PORTION]]
        accounts = [
            Account(id=number, ledger=LEDGER_KZT, code=AccountCode.CUSTOMER, flags=_CUSTOMER) for number in numbers
        ]
        assert all(result.status is Status.OK for result in ledger.create_accounts(connection, accounts))
        if balance_tiyn:
            _post(connection, numbers, settlement, balance_tiyn, TransferCode.OPENING_BALANCE, is_debit=True)
    columns = "COPY payments_customeraccount (iban, participant_id, holder_name, opened_at) FROM STDIN"
    with connection.cursor().copy(columns) as copy:
        now = dt.datetime.now(dt.UTC)
        for number, customer in enumerate(bank.customers):
            copy.write_row((customer, bank.id, f"Holder {number}", now))


def _post(
    connection: psycopg.Connection[TupleRow],
    accounts: Sequence[int],
    other: int,
    amount_tiyn: int,
    code: TransferCode,
    *,
    is_debit: bool = False,
) -> None:
    """Debit each account against the other; with ``is_debit`` the other is debited."""
    ids = operation_ids(dt.datetime.now(dt.UTC))
    many = b"".join(number.to_bytes(16, "big") for number in accounts)
    one = other.to_bytes(16, "big") * len(accounts)
    debits, credits_ = (one, many) if is_debit else (many, one)
    columns = TransferColumns(
        id=b"".join(next(ids) for _ in accounts),
        debit_account_id=debits,
        credit_account_id=credits_,
        amount=amount_tiyn,
        ledger=LEDGER_KZT,
        code=code.value,
    )
    assert ledger.post(connection, columns).all_ok
