"""Between the two forms of a batch: objects and columns."""

from collections.abc import Sequence

import numpy as np

from senim.ledger import codec
from senim.ledger.types import STORAGE_MAX, Column, Transfer, TransferColumns


def columns_of(transfers: Sequence[Transfer]) -> TransferColumns | None:
    """The columns of ``transfers``; None where a value needs the exact way (above 63 bits, mixed ledgers)."""
    (
        ids,
        debits,
        credits_,
        amounts,
        pendings,
        data_128,
        data_64,
        data_32,
        timeouts,
        ledgers,
        codes,
        flags,
        timestamps,
    ) = zip(*transfers, strict=True)
    if max(amounts) > STORAGE_MAX or any(pendings) or any(timestamps) or any(timeouts) or len(set(ledgers)) > 1:
        return None
    if max(codes) >= 2**16 or max(flags) >= 2**16 or not 0 <= ledgers[0] < 2**32:
        return None
    return TransferColumns(
        id=codec.joined(ids),
        debit_account_id=codec.joined(debits),
        credit_account_id=codec.joined(credits_),
        amount=np.array(amounts, dtype=np.int64),
        ledger=ledgers[0],
        code=codes if len(set(codes)) > 1 else codes[0],
        flags=flags if any(flags) else 0,
        user_data_128=codec.joined(data_128) if any(data_128) else b"",
        user_data_64=data_64 if any(data_64) else 0,
        user_data_32=data_32 if any(data_32) else 0,
    )


def transfers_of(columns: TransferColumns) -> list[Transfer]:
    """The transfers of ``columns``, one object each."""
    count = columns.count
    zeros = [0] * count
    parts = (
        codec.split(columns.id),
        codec.split(columns.debit_account_id),
        codec.split(columns.credit_account_id),
        _values(columns.amount, count),
        codec.split(columns.pending_id) if columns.pending_id else zeros,
        codec.split(columns.user_data_128) if columns.user_data_128 else zeros,
        _values(columns.user_data_64, count),
        _values(columns.user_data_32, count),
        _values(columns.timeout, count),
        _values(columns.ledger, count),
        _values(columns.code, count),
        _values(columns.flags, count),
    )
    return [Transfer(*values) for values in zip(*parts, strict=True)]


def _values(column: Column, count: int) -> Sequence[int]:
    if isinstance(column, int):
        return [column] * count
    return column.tolist() if isinstance(column, np.ndarray) else column
