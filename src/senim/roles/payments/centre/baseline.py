"""What the bench is compared with: the same decision done row by row, one transaction for each operation.

Plain SQL as one would first write it, over tables of its own with the same columns and indexes: look for the key, lock
the payer, check the money and the cap, move it, write the transfer, the operation and the counter, commit.
"""

import datetime as dt
import random
import time
import uuid

import psycopg
from psycopg.rows import TupleRow

ACCOUNTS = 10_000
BANKS = 3
BALANCE_TIYN = 100_000_000

_TABLES = """
CREATE TABLE baseline_account (id uuid PRIMARY KEY, bank integer NOT NULL, balance_tiyn bigint NOT NULL);
CREATE TABLE baseline_bank (id integer PRIMARY KEY, owes_tiyn bigint NOT NULL, cap_tiyn bigint NOT NULL);
CREATE TABLE baseline_transfer (
    id uuid PRIMARY KEY, debit uuid NOT NULL, credit uuid NOT NULL, amount_tiyn bigint NOT NULL, at timestamptz NOT NULL
);
CREATE TABLE baseline_operation (LIKE payments_operation INCLUDING ALL);
CREATE TABLE baseline_minute (minute integer PRIMARY KEY, operations bigint NOT NULL, amount_tiyn bigint NOT NULL);
"""
_DROP = "DROP TABLE baseline_account, baseline_bank, baseline_transfer, baseline_operation, baseline_minute"
_OPERATION = """
INSERT INTO baseline_operation (id, day, kind, means, source, status, reason, amount_tiyn, initiator_id, payer_id,
    payee_id, debit_account, credit_account, key, request_digest, end_to_end_id, initiated_at, received_at, decided_at)
VALUES (%s, current_date, 2, 2, 1, 1, '', %s, %s, %s, %s, %s, %s, %s, %s, '', now(), now(), now())
"""


def measure_baseline(url: str, seconds: float) -> float:
    """Operations a second, one transaction each."""
    with psycopg.connect(url) as connection:
        accounts = _make(connection)
        chance = random.Random(1)  # noqa: S311 - traffic, not secrets
        count = 0
        started = time.perf_counter()
        while time.perf_counter() - started < seconds:
            payer, payee = chance.sample(accounts, 2)
            _authorise(connection, payer, payee, chance.randint(1, 10_000))
            count += 1
        elapsed = time.perf_counter() - started
        connection.execute(_DROP)
        connection.commit()
    return count / elapsed


def _make(connection: psycopg.Connection[TupleRow]) -> list[tuple[uuid.UUID, int]]:
    connection.execute(_TABLES)
    accounts = [(uuid.uuid4(), number % BANKS) for number in range(ACCOUNTS)]
    with connection.cursor().copy("COPY baseline_account FROM STDIN") as copy:
        for account, bank in accounts:
            copy.write_row((account, bank, BALANCE_TIYN))
    for bank in range(BANKS):
        connection.execute("INSERT INTO baseline_bank VALUES (%s, 0, %s)", (bank, 10**15))
    connection.commit()
    return accounts


def _authorise(
    connection: psycopg.Connection[TupleRow], payer: tuple[uuid.UUID, int], payee: tuple[uuid.UUID, int], amount: int
) -> None:
    key, operation = uuid.uuid4().hex, uuid.uuid4()
    run = connection.execute
    if run("SELECT id FROM baseline_operation WHERE initiator_id = %s AND key = %s", (payer[1], key)).fetchone():
        return
    row = run("SELECT balance_tiyn FROM baseline_account WHERE id = %s FOR UPDATE", (payer[0],)).fetchone()
    assert row is not None
    assert row[0] >= amount
    run("UPDATE baseline_account SET balance_tiyn = balance_tiyn - %s WHERE id = %s", (amount, payer[0]))
    run("UPDATE baseline_account SET balance_tiyn = balance_tiyn + %s WHERE id = %s", (amount, payee[0]))
    if payer[1] != payee[1]:
        run("UPDATE baseline_bank SET owes_tiyn = owes_tiyn + %s WHERE id = %s", (amount, payer[1]))
        run("UPDATE baseline_bank SET owes_tiyn = owes_tiyn - %s WHERE id = %s", (amount, payee[1]))
    run("INSERT INTO baseline_transfer VALUES (%s, %s, %s, %s, now())", (operation, payer[0], payee[0], amount))
    digest = uuid.uuid4().bytes
    run(
        _OPERATION,
        (operation, amount, payer[1], payer[1], payee[1], str(payer[0])[:34], str(payee[0])[:34], key, digest),
    )
    run(
        "INSERT INTO baseline_minute AS m VALUES (%s, 1, %s) ON CONFLICT (minute) DO UPDATE "
        "SET operations = m.operations + 1, amount_tiyn = m.amount_tiyn + excluded.amount_tiyn",
        (dt.datetime.now(dt.UTC).minute, amount),
    )
    connection.commit()
