"""The ledger's door for files: one JSON operation a line in, one JSON answer a line out.

Numbers may come as JSON integers or decimal strings. In answers the fields of 128 bits (ids, amounts, balances,
``user_data_128``) are decimal strings, since a JSON reader may not hold them; all others are integers; flags are lists
of names.
"""

import json
from codecs import BOM_UTF8
from collections.abc import Callable, Iterable, Iterator
from enum import IntFlag
from typing import Any, Final, NoReturn, TypeVar

import msgspec
from psycopg import Connection
from psycopg.rows import TupleRow

from senim.ledger.accounts import create_accounts, lookup_accounts
from senim.ledger.errors import LedgerInputInvalid
from senim.ledger.expiry import BATCH, expire_pending
from senim.ledger.posting import post
from senim.ledger.queries import get_account_balances, get_account_transfers, lookup_transfers
from senim.ledger.schema import advance_clock, stop_clock
from senim.ledger.types import (
    NANOSECONDS_PER_SECOND,
    TIMESTAMP_MAX,
    Account,
    AccountFilter,
    AccountFlags,
    FilterFlags,
    Results,
    Transfer,
    TransferFlags,
)

LINE_BYTES_MAX: Final = 64 * 1024 * 1024
EVENTS_MAX: Final = 100_000
CLOCK_SECONDS_MAX: Final = TIMESTAMP_MAX // NANOSECONDS_PER_SECOND
SHOWN_CHARACTERS_MAX: Final = 60

BITS: Final = {
    "id": 128,
    "account_id": 128,
    "debit_account_id": 128,
    "credit_account_id": 128,
    "amount": 128,
    "pending_id": 128,
    "user_data_128": 128,
    "debits_pending": 128,
    "debits_posted": 128,
    "credits_pending": 128,
    "credits_posted": 128,
    "user_data_64": 64,
    "timestamp": 64,
    "timestamp_min": 64,
    "timestamp_max": 64,
    "user_data_32": 32,
    "timeout": 32,
    "ledger": 32,
    "reserved": 32,
    "limit": 32,
    "code": 16,
    "flags": 16,
}
FLAGS: Final[dict[type, type[IntFlag]]] = {
    Account: AccountFlags,
    Transfer: TransferFlags,
    AccountFilter: FilterFlags,
}
# "reserved" stands for a bit that has no meaning yet, so that its refusal (`reserved_flag`) can be seen.
FLAG_VALUES: Final = {
    kind: {member.name.lower(): int(member) for member in flags if member.name} | {"reserved": 1 << 15}
    for kind, flags in FLAGS.items()
}
ANSWERED: Final[dict[type, tuple[str, ...]]] = {
    Account: tuple(name for name in Account._fields if name != "reserved"),
    Transfer: Transfer._fields,
}
Value = TypeVar("Value", Account, Transfer, AccountFilter)


class Door:
    """Applies operations to one ledger, each in a transaction of its own."""

    def __init__(self, connection: Connection[TupleRow], *, is_scratch: bool) -> None:
        self._connection = connection
        self._is_scratch = is_scratch
        if is_scratch:
            with connection.transaction():
                stop_clock(connection)

    def apply(self, lines: Iterable[bytes]) -> Iterator[bytes]:
        """One answer line per operation line; blank lines are passed over.

        Raises ``LedgerInputInvalid`` (line, field) at the first line that is not an operation; lines before it are
        applied, that one and those after it are not.
        """
        encode = msgspec.json.Encoder().encode
        for number, line in enumerate(lines, start=1):
            # Some editors begin a file with a byte order mark.
            text = line.removeprefix(BOM_UTF8) if number == 1 else line
            if not text.strip():
                continue
            try:
                yield encode(self._apply_line(text))
            except LedgerInputInvalid as error:
                where = f"line {number}, {error.fields['field']}" if "field" in error.fields else f"line {number}"
                raise LedgerInputInvalid(f"{where}: {error.message}", **{**error.fields, "line": number}) from None

    def _apply_line(self, line: bytes) -> dict[str, Any]:
        operation = _decode(line)
        if "op" not in operation:
            raise LedgerInputInvalid("missing", field="op")
        name = operation.pop("op")
        operations: dict[str, tuple[str, Callable[[Any], dict[str, Any]]]] = {
            "create_accounts": ("events", self._create_accounts),
            "create_transfers": ("events", self._create_transfers),
            "lookup_accounts": ("ids", self._lookup_accounts),
            "lookup_transfers": ("ids", self._lookup_transfers),
            "get_account_transfers": ("filter", self._get_account_transfers),
            "get_account_balances": ("filter", self._get_account_balances),
            "advance_clock": ("seconds", self._advance_clock),
        }
        if not isinstance(name, str) or name not in operations:
            raise LedgerInputInvalid(f"unknown operation {_shown(name)}", field="op")
        key, method = operations[name]
        if key not in operation:
            raise LedgerInputInvalid("missing", field=key)
        unknown = operation.keys() - {key}
        if unknown:
            raise LedgerInputInvalid("unknown field", field=_named(min(unknown)))
        argument = operation[key]
        if self._is_scratch and name != "advance_clock":
            self._expire()
        return method(argument)

    def _create_accounts(self, events: object) -> dict[str, Any]:
        accounts = [parse(Account, event, f"events[{i}]") for i, event in enumerate(_list(events, "events"))]
        with self._connection.transaction():
            return _results(create_accounts(self._connection, accounts))

    def _create_transfers(self, events: object) -> dict[str, Any]:
        transfers = [parse(Transfer, event, f"events[{i}]") for i, event in enumerate(_list(events, "events"))]
        with self._connection.transaction():
            return _results(post(self._connection, transfers))

    def _lookup_accounts(self, ids: object) -> dict[str, Any]:
        with self._connection.transaction():
            found = lookup_accounts(self._connection, _ids(ids))
        return {"accounts": [render(account) for account in found]}

    def _lookup_transfers(self, ids: object) -> dict[str, Any]:
        with self._connection.transaction():
            found = lookup_transfers(self._connection, _ids(ids))
        return {"transfers": [render(transfer) for transfer in found]}

    def _get_account_transfers(self, chosen: object) -> dict[str, Any]:
        with self._connection.transaction():
            found = get_account_transfers(self._connection, parse(AccountFilter, chosen, "filter"))
        return {"transfers": [render(transfer) for transfer in found]}

    def _get_account_balances(self, chosen: object) -> dict[str, Any]:
        with self._connection.transaction():
            found = get_account_balances(self._connection, parse(AccountFilter, chosen, "filter"))
        return {"balances": [plain(balance._asdict()) for balance in found]}

    def _advance_clock(self, seconds: object) -> dict[str, Any]:
        if not self._is_scratch:
            raise LedgerInputInvalid("only a scratch ledger's clock can be advanced", field="op")
        number = _number(seconds, "seconds", CLOCK_SECONDS_MAX)
        with self._connection.transaction():
            advanced = advance_clock(self._connection, number)
        self._expire()
        return {"advanced": {"seconds": advanced}}

    def _expire(self) -> None:
        released = BATCH
        while released == BATCH:
            with self._connection.transaction():
                released = expire_pending(self._connection)


def _decode(line: bytes) -> dict[str, Any]:
    if len(line) > LINE_BYTES_MAX:
        raise LedgerInputInvalid(f"longer than {LINE_BYTES_MAX} bytes")
    try:
        decoded = json.loads(line.decode(), object_pairs_hook=_object, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise LedgerInputInvalid(f"not JSON: {error.msg} at character {error.pos + 1}") from None
    except UnicodeDecodeError as error:
        raise LedgerInputInvalid(f"not UTF-8 at byte {error.start + 1}") from None
    except RecursionError:
        raise LedgerInputInvalid("nested too deeply") from None
    except ValueError:
        # What is left for json to complain of: Python reads no integer of more than 4,300 digits.
        raise LedgerInputInvalid("a number of thousands of digits") from None
    if not isinstance(decoded, dict):
        raise LedgerInputInvalid("not a JSON object")
    return decoded


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose fields are told once each: of two amounts, none is surely the one that was meant."""
    decoded = dict(pairs)
    if len(decoded) < len(pairs):
        names = [name for name, _ in pairs]
        raise LedgerInputInvalid("given twice", field=_named(next(name for name in names if names.count(name) > 1)))
    return decoded


def _no_constant(name: str) -> NoReturn:
    raise LedgerInputInvalid(f"not JSON: {name} is no JSON number")


def _shown(value: object) -> str:
    """What was given, on one line and not at length."""
    text = ascii(value)
    return text if len(text) <= SHOWN_CHARACTERS_MAX else text[:SHOWN_CHARACTERS_MAX] + "..."


def _named(field: str) -> str:
    """A field's name as it is, unless it would not stay on its line."""
    return field if field.isidentifier() and len(field) <= SHOWN_CHARACTERS_MAX else _shown(field)


def parse(kind: type[Value], given: object, where: str) -> Value:
    """A value from its JSON object; omitted fields are zero. Raises ``LedgerInputInvalid`` naming the field."""
    if not isinstance(given, dict):
        raise LedgerInputInvalid("not a JSON object", field=where)
    values: dict[str, int] = {}
    for name, value in given.items():
        if name not in kind._fields:
            raise LedgerInputInvalid("unknown field", field=f"{where}.{_named(name)}")
        if name == "flags" and not isinstance(value, int):
            values[name] = _flags(value, FLAG_VALUES[kind], f"{where}.flags")
        else:
            values[name] = _number(value, f"{where}.{name}", 2 ** BITS[name] - 1)
    return kind(**values)


def _flags(names: object, known: dict[str, int], where: str) -> int:
    if not isinstance(names, list):
        raise LedgerInputInvalid("not a list of flag names", field=where)
    flags = 0
    for name in names:
        if not isinstance(name, str) or name not in known:
            raise LedgerInputInvalid(f"unknown flag {_shown(name)}", field=where)
        flags |= known[name]
    return flags


def _number(value: object, where: str, most: int) -> int:
    """An unsigned integer, as such or as a decimal string."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 40:
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise LedgerInputInvalid("not an unsigned integer or a decimal string", field=where)
    if not 0 <= value <= most:
        raise LedgerInputInvalid(f"not between 0 and {most}", field=where)
    return value


def _list(value: object, where: str) -> list[object]:
    if not isinstance(value, list):
        raise LedgerInputInvalid("not a list", field=where)
    if len(value) > EVENTS_MAX:
        raise LedgerInputInvalid(f"more than {EVENTS_MAX} items", field=where)
    return value


def _ids(value: object) -> list[int]:
    return [_number(item, f"ids[{i}]", 2**128 - 1) for i, item in enumerate(_list(value, "ids"))]


def _results(results: Results) -> dict[str, Any]:
    return {
        "results": [
            {"index": index, "status": result.status.value, "timestamp": result.timestamp}
            for index, result in enumerate(results)
        ]
    }


def render(value: Account | Transfer) -> dict[str, Any]:
    """An account or a transfer as JSON has it."""
    fields = {name: getattr(value, name) for name in ANSWERED[type(value)]}
    known = FLAG_VALUES[type(value)]
    return plain(fields) | {"flags": [name for name, bit in known.items() if value.flags & bit]}


def plain(fields: dict[str, int]) -> dict[str, Any]:
    """Fields of 128 bits as decimal strings, the others as they are."""
    return {name: str(number) if BITS[name] == 128 else number for name, number in fields.items()}
