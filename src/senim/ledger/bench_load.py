"""What the ledger's bench posts, and the two things it is measured against."""

import time
from collections.abc import Iterator
from typing import Final

import numpy as np
from psycopg import Connection
from psycopg.rows import TupleRow

from senim.ledger.accounts import create_accounts
from senim.ledger.types import Account, TransferColumns

LEDGER: Final = 398
BATCH: Final = 8_000
# Account ids as they occur in life: all bits in use, most of them shared.
ACCOUNT_PREFIX: Final = 0x0190_0000_0000_0000


def account_id(number: int) -> int:
    """The id of the bench's n-th account."""
    return (ACCOUNT_PREFIX << 64) + number


def open_accounts(connection: Connection[TupleRow], count: int) -> None:
    """Create accounts 1..count."""
    for first in range(1, count + 1, 20_000):
        last = min(first + 20_000, count + 1)
        accounts = [Account(id=account_id(number), ledger=LEDGER, code=1) for number in range(first, last)]
        with connection.transaction():
            assert create_accounts(connection, accounts).all_ok
    connection.execute("ANALYZE ledger_balance")


class Load:
    """Batches of random transfers between the bench's accounts, with time-ordered ids."""

    def __init__(self, accounts: int, seed: int) -> None:
        self._accounts = accounts
        self._random = np.random.default_rng(seed)
        self._serial = seed << 40

    def batch(self, count: int = BATCH) -> TransferColumns:
        """``count`` transfers of 1 to 999 tiyn, each between two different accounts."""
        debits = self._random.integers(1, self._accounts + 1, count)
        credits_ = self._random.integers(1, self._accounts, count)
        credits_ += credits_ >= debits
        ids = np.empty((count, 2), dtype=">u8")
        ids[:, 0] = (time.time_ns() // 1_000_000 << 16) | 0x7000
        ids[:, 1] = np.arange(self._serial, self._serial + count)
        self._serial += count
        return TransferColumns(
            id=ids.tobytes(),
            debit_account_id=_joined(debits),
            credit_account_id=_joined(credits_),
            amount=self._random.integers(1, 1_000, count),
            ledger=LEDGER,
            code=1,
        )

    def batches(self, total: int) -> Iterator[TransferColumns]:
        """Whole batches, at least ``total`` transfers."""
        for _ in range(0, total, BATCH):
            yield self.batch()


def _joined(numbers: np.ndarray[tuple[int], np.dtype[np.int64]]) -> bytes:
    ids = np.empty((len(numbers), 2), dtype=">u8")
    ids[:, 0] = ACCOUNT_PREFIX
    ids[:, 1] = numbers
    return ids.tobytes()


def row_by_row(connection: Connection[TupleRow], batch: TransferColumns) -> None:
    """The way a ledger is often written: for each transfer look, lock, check, insert, update twice. One transaction."""
    cur = connection.cursor()
    amounts = np.asarray(batch.amount).tolist()
    with connection.transaction():
        for at, amount in enumerate(amounts):
            part = slice(16 * at, 16 * at + 16)
            ids = (batch.id[part].hex(), batch.debit_account_id[part].hex(), batch.credit_account_id[part].hex())
            cur.execute("SELECT 1 FROM ledger_transfer WHERE id = %s::uuid", ids[:1])
            assert cur.fetchone() is None
            cur.execute(
                "SELECT account_id, flags, debits_posted, credits_posted FROM ledger_balance "
                "WHERE account_id IN (%s::uuid, %s::uuid) ORDER BY account_id FOR UPDATE",
                ids[1:],
            )
            assert len(cur.fetchall()) == 2
            cur.execute(
                'INSERT INTO ledger_transfer ("timestamp", amount, ledger, code, flags, id, debit_account_id, '
                "credit_account_id) VALUES (ledger_take_timestamps(1), %s, %s, 1, 0, %s::uuid, %s::uuid, %s::uuid)",
                (amount, LEDGER, *ids),
            )
            for column, account in (("debits_posted", ids[1]), ("credits_posted", ids[2])):
                cur.execute(
                    f"UPDATE ledger_balance SET {column} = {column} + %s WHERE account_id = %s::uuid",  # noqa: S608
                    (amount, account),
                )


class TigerBeetle:
    """A TigerBeetle server through its own Python client, given the same load."""

    def __init__(self, address: str) -> None:
        try:
            import tigerbeetle
        except ImportError:
            from senim.ledger.errors import LedgerError

            raise LedgerError("TigerBeetle's client is not installed: pip install senim[tigerbeetle]") from None
        self._module = tigerbeetle
        self._client = tigerbeetle.ClientSync(cluster_id=0, replica_addresses=address)

    def open_accounts(self, count: int) -> None:
        """Create accounts 1..count."""
        for first in range(1, count + 1, BATCH):
            numbers = range(first, min(first + BATCH, count + 1))
            self._client.create_accounts(
                [self._module.Account(id=account_id(number), ledger=LEDGER, code=1) for number in numbers]
            )

    def transfers_per_second(self, batches: list[TransferColumns]) -> float:
        """The rate at which it takes the batches, objects made beforehand."""
        from senim.ledger.columns import transfers_of

        made = [[self._transfer(one) for one in transfers_of(batch)] for batch in batches]
        began = time.perf_counter()
        for batch in made:
            self._client.create_transfers(batch)
        return sum(map(len, made)) / (time.perf_counter() - began)

    def single(self, transfer: object) -> None:
        """One transfer by itself."""
        self._client.create_transfers([self._transfer(transfer)])

    def _transfer(self, one: object) -> object:
        fields = ("id", "debit_account_id", "credit_account_id", "amount", "ledger", "code")
        return self._module.Transfer(**{name: getattr(one, name) for name in fields})

    def close(self) -> None:
        """Leave the cluster."""
        self._client.close()
