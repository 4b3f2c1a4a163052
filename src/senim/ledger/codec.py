"""PostgreSQL's binary forms, made from numpy arrays: a batch is encoded without an object per value."""

import struct
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from psycopg import Connection, Cursor
from psycopg.abc import Buffer
from psycopg.adapt import Dumper, PyFormat
from psycopg.pq import Format
from psycopg.rows import TupleRow, tuple_row

from senim.ledger.types import Column

UUID_OID: Final = 2950
INT8_OID: Final = 20
COPY_HEADER: Final = b"PGCOPY\n\xff\r\n\x00" + struct.pack("!ii", 0, 0)
COPY_TRAILER: Final = struct.pack("!h", -1)
ARRAY_HEADER: Final = struct.Struct("!iiIii")

UINT8: Final = ">i8"
UINT4: Final = ">i4"
UINT2: Final = ">i2"
UUID: Final = "V16"


class UuidArray(bytes):
    """The binary form of ``uuid[]``, ready to send."""


class Int8Array(bytes):
    """The binary form of ``bigint[]``, ready to send."""


class _ReadyDumper(Dumper):
    format = Format.BINARY

    def dump(self, obj: bytes) -> Buffer:
        return obj


class _UuidArrayDumper(_ReadyDumper):
    oid = 2951


class _Int8ArrayDumper(_ReadyDumper):
    oid = 1016


def cursor(connection: Connection[TupleRow]) -> Cursor[TupleRow]:
    """A cursor with binary results and our array forms, whatever adapters and factories the connection came with."""
    adapters = connection.adapters
    if adapters.get_dumper(UuidArray, PyFormat.BINARY) is not _UuidArrayDumper:
        adapters.register_dumper(UuidArray, _UuidArrayDumper)
        adapters.register_dumper(Int8Array, _Int8ArrayDumper)
    made = Cursor(connection, row_factory=tuple_row)
    made.format = Format.BINARY
    return made


def joined(ids: Iterable[int]) -> bytes:
    """128-bit ids as 16 big-endian bytes each, joined."""
    return b"".join([i.to_bytes(16, "big") for i in ids])


def split(ids: bytes) -> list[int]:
    """The inverse of ``joined``."""
    from_bytes = int.from_bytes
    return [from_bytes(ids[at : at + 16], "big") for at in range(0, len(ids), 16)]


def uuid_array(ids: bytes) -> UuidArray:
    """``uuid[]`` of joined ids."""
    count = len(ids) // 16
    rows = np.empty(count, dtype=[("length", ">i4"), ("value", UUID)])
    rows["length"] = 16
    rows["value"] = np.frombuffer(ids, dtype=UUID)
    return UuidArray(ARRAY_HEADER.pack(1, 0, UUID_OID, count, 1) + rows.tobytes() if count else _empty(UUID_OID))


def int8_array(values: Sequence[int] | NDArray[np.int64]) -> Int8Array:
    """``bigint[]`` of signed values."""
    count = len(values)
    rows = np.empty(count, dtype=[("length", ">i4"), ("value", ">i8")])
    rows["length"] = 8
    rows["value"] = values
    return Int8Array(ARRAY_HEADER.pack(1, 0, INT8_OID, count, 1) + rows.tobytes() if count else _empty(INT8_OID))


def _empty(oid: int) -> bytes:
    return struct.pack("!iiI", 0, 0, oid)


def signed64(values: Iterable[int]) -> NDArray[np.int64]:
    """Unsigned 64-bit values as the signed ones with the same bits."""
    return np.array(list(values), dtype=np.uint64).view(np.int64)


def signed32(values: Iterable[int]) -> NDArray[np.int32]:
    """Unsigned 32-bit values as the signed ones with the same bits."""
    return np.array(list(values), dtype=np.uint32).view(np.int32)


def signed16(values: Iterable[int]) -> NDArray[np.int16]:
    """Unsigned 16-bit values as the signed ones with the same bits."""
    return np.array(list(values), dtype=np.uint16).view(np.int16)


CopyColumn = tuple[str, str, "bytes | Column | NDArray[np.int32] | NDArray[np.int16]"]


def copy_rows(cur: Cursor[TupleRow], table: str, count: int, columns: Sequence[CopyColumn]) -> None:
    """Write ``count`` rows by one binary COPY; each column is (name, numpy type, joined ids or values or one value)."""
    layout: list[tuple[str, str]] = [("", ">i2")]
    for name, kind, _ in columns:
        layout += [(f"{name} length", ">i4"), (name, kind)]
    layout[0] = ("fields", ">i2")
    rows = np.empty(count, dtype=layout)
    rows["fields"] = len(columns)
    for name, kind, values in columns:
        rows[f"{name} length"] = np.dtype(kind).itemsize
        rows[name] = np.frombuffer(values, dtype=UUID) if isinstance(values, bytes) else values
    names = ", ".join(f'"{name}"' for name, _, _ in columns)
    with cur.copy(f"COPY {table} ({names}) FROM STDIN (FORMAT BINARY)".encode()) as copy:
        copy.write(COPY_HEADER + rows.tobytes() + COPY_TRAILER)
