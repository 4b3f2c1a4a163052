"""The Centre's JSON: what is read and what is written, with the descriptions that make the OpenAPI document."""

import datetime as dt
import re
from collections.abc import Sequence
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from senim.roles.payments.centre.problems import Problem, malformed
from senim.roles.payments.rules.authorisation import Answer, OperationRequest, Outcome
from senim.roles.payments.rules.kinds import Kind, Means

BATCH_OPERATIONS_MAX: Final = 1_000
KEY_LENGTH_MAX: Final = 64
KINDS: Final = {
    "top_up": Kind.TOP_UP,
    "transfer": Kind.TRANSFER,
    "purchase": Kind.PURCHASE,
    "cash_withdrawal": Kind.CASH_WITHDRAWAL,
}
MEANS: Final = {"details": Means.DETAILS, "qr": Means.QR, "iin": Means.IIN}
STATUSES: Final[dict[Outcome, Literal["accepted", "refused", "conflict"]]] = {
    Outcome.ACCEPTED: "accepted",
    Outcome.REFUSED: "refused",
    Outcome.CONFLICT: "conflict",
}
_YEARS: Final = range(2000, 2200)
_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f]")

# The decoder checks lengths; what characters may stand in a text is looked at for all of them at once (`_request`):
# a pattern for each field would be most of the decoding. The description gives the patterns all the same.
Account = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=34,
        description="IBAN of a customer, in electronic form.",
        examples=["KZ77001ABC0000000001"],
        extra_json_schema={"pattern": "^[!-~]{1,34}$"},
    ),
]
Key = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=KEY_LENGTH_MAX,
        description="The participant's own key of the operation: 1 to 64 visible ASCII characters. Under one key an "
        "operation is carried out once; the same request again gets the same answer.",
        examples=["20261120-000123"],
        extra_json_schema={"pattern": "^[!-~]{1,64}$"},
    ),
]


class SingleOperation(
    msgspec.Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """An operation to be authorised (PS-7.3). Its key is the Idempotency-Key header."""

    kind: Annotated[
        Literal["top_up", "transfer", "purchase", "cash_withdrawal"],
        Meta(
            description="top_up names only credit_account, cash_withdrawal only debit_account, the others both. "
            "A transfer is initiated by the payer's bank alone."
        ),
    ]
    amount: Annotated[
        str,
        Meta(
            pattern=r"^(?:0|[1-9][0-9]{0,14})\.[0-9]{2}\Z",
            description="Tenge with exactly two decimal places, as a string, so that no number format rounds it.",
            examples=["1234.56"],
            extra_json_schema={"pattern": "^(?:0|[1-9][0-9]{0,14})\\.[0-9]{2}$"},
        ),
    ]
    currency: Annotated[
        str,
        Meta(
            min_length=3,
            max_length=3,
            description="ISO 4217; only KZT is carried out.",
            examples=["KZT"],
            extra_json_schema={"pattern": "^[!-~]{3}$"},
        ),
    ]
    means: Annotated[
        Literal["details", "qr", "iin"],
        Meta(description="By what the client ordered it: account details, QR code or IIN (PS-1.1.11)."),
    ]
    initiated_at: Annotated[
        dt.datetime,
        Meta(
            tz=True, description="When the client initiated it (PS-7.5.1).", examples=["2026-11-20T10:15:00.123+05:00"]
        ),
    ]
    debit_account: Account | None = None
    credit_account: Account | None = None
    end_to_end_id: Annotated[
        str,
        Meta(
            max_length=35,
            description="The initiator's reference, passed on unchanged.",
            examples=["E2E-000123"],
            extra_json_schema={"pattern": "^[^\\x00-\\x1f\\x7f-\\x9f]{0,35}$"},
        ),
    ] = ""


class BatchOperation(
    SingleOperation, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """An operation within a batch; it carries its key itself."""

    id: Key


class Batch(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Operations that are sent together. Each has its own outcome."""

    operations: Annotated[list[BatchOperation], Meta(min_length=1, max_length=BATCH_OPERATIONS_MAX)]


class OperationAnswer(msgspec.Struct, frozen=True, gc=False):
    """The Centre's decision, given after it is on record for good."""

    operation_id: Annotated[
        str,
        Meta(
            description="The Centre's id: the operation's payment document.",
            extra_json_schema={"format": "uuid"},
        ),
    ]
    id: Key
    status: Annotated[
        Literal["accepted", "refused", "conflict"],
        Meta(
            description="accepted: carried out. refused: on record with its reason, no money moved. conflict (only in "
            "a batch): the key belongs to another operation, which operation_id names; nothing was recorded."
        ),
    ]
    reason: Annotated[
        str | None,
        Meta(description="Why it was refused: a code of ISO 20022 ExternalStatusReason1Code.", examples=["AM04"]),
    ]
    operating_day: Annotated[dt.date, Meta(description="The operating day to which it belongs (PS-3.1.1).")]
    decided_at: dt.datetime
    replayed: Annotated[bool, Meta(description="Whether this is the answer to an earlier request with this key.")]


class BatchAnswer(msgspec.Struct, frozen=True):
    """One answer for each operation, in the order of the request."""

    operations: list[OperationAnswer]


_single = msgspec.json.Decoder(SingleOperation)
_batch = msgspec.json.Decoder(Batch)
_encoder = msgspec.json.Encoder()


def read_single(body: bytes, key: str, initiator_id: int) -> OperationRequest:
    """Read the body of ``POST /operations``.

    Raises:
        Problem: it is malformed; the field is named.
    """
    try:
        operation = _single.decode(body)
    except msgspec.DecodeError as error:
        raise malformed(error) from None
    except UnicodeDecodeError:
        raise _not_utf8() from None
    return _request(operation, key, initiator_id, "")


def read_batch(body: bytes, initiator_id: int) -> list[OperationRequest]:
    """Read the body of ``POST /operations:batch``; one malformed operation makes the whole batch malformed.

    Raises:
        Problem: it is malformed; the field is named.
    """
    try:
        batch = _batch.decode(body)
    except msgspec.DecodeError as error:
        raise malformed(error) from None
    except UnicodeDecodeError:
        raise _not_utf8() from None
    return [
        _request(operation, operation.id, initiator_id, f"/operations/{index}")
        for index, operation in enumerate(batch.operations)
    ]


def _request(operation: SingleOperation, key: str, initiator_id: int, place: str) -> OperationRequest:
    kind = operation.kind
    debit, credit = operation.debit_account, operation.credit_account
    if (debit is None) is not (kind == "top_up"):
        raise _account_problem(place, "debit_account", kind, is_missing=debit is None)
    if (credit is None) is not (kind == "cash_withdrawal"):
        raise _account_problem(place, "credit_account", kind, is_missing=credit is None)
    if operation.initiated_at.year not in _YEARS:
        raise Problem(400, "malformed", "initiated_at is far from our time.", field=f"{place}/initiated_at")
    amount, end_to_end_id = operation.amount, operation.end_to_end_id
    words = f"{key}{operation.currency}{debit}{credit}"
    if not (words.isascii() and words.isprintable() and " " not in words and end_to_end_id.isprintable()):
        _check_texts(operation, key, place)
    return OperationRequest(
        id=key,
        kind=KINDS[kind],
        amount_tiyn=int(amount[:-3] + amount[-2:]),
        currency=operation.currency,
        means=MEANS[operation.means],
        initiated_at=operation.initiated_at,
        initiator_id=initiator_id,
        debit_account=debit or "",
        credit_account=credit or "",
        end_to_end_id=end_to_end_id,
    )


def _check_texts(operation: SingleOperation, key: str, place: str) -> None:
    """Name the field with a character that may not stand in it; a reference may hold more than the others."""
    words = {
        "id": key,
        "currency": operation.currency,
        "debit_account": operation.debit_account or "",
        "credit_account": operation.credit_account or "",
    }
    for name, value in words.items():
        if not (value.isascii() and value.isprintable() and " " not in value):
            detail = f"{name} holds something else than visible ASCII characters."
            raise Problem(400, "malformed", detail, field=f"{place}/{name}", remedy="Leave it out.")
    if _CONTROL.search(operation.end_to_end_id):
        field = f"{place}/end_to_end_id"
        raise Problem(400, "malformed", "end_to_end_id holds a control character.", field=field, remedy="Leave it out.")


def _account_problem(place: str, name: str, kind: str, *, is_missing: bool) -> Problem:
    field = f"{place}/{name}"
    if is_missing:
        return Problem(
            400,
            "missing_field",
            f"The mandatory field {name} is missing.",
            field=field,
            remedy=f"Fill it in: a {kind} needs it.",
        )
    return Problem(400, "malformed", f"A {kind} has no {name}.", field=field, remedy="Leave it out.")


def _not_utf8() -> Problem:
    return Problem(400, "malformed", "The body is not UTF-8.", remedy="Send JSON in UTF-8.")


def answer_of(answer: Answer) -> OperationAnswer:
    """An answer as it goes over the wire."""
    number = answer.operation.hex()
    return OperationAnswer(
        f"{number[:8]}-{number[8:12]}-{number[12:16]}-{number[16:20]}-{number[20:]}",
        answer.id,
        STATUSES[answer.outcome],
        answer.reason or None,
        answer.operating_day,
        answer.decided_at,
        answer.replayed,
    )


def write_single(answer: Answer) -> bytes:
    """The body of the answer to one operation."""
    return _encoder.encode(answer_of(answer))


def write_batch(answers: Sequence[Answer]) -> bytes:
    """The body of the answer to a batch."""
    return _encoder.encode(BatchAnswer([answer_of(answer) for answer in answers]))
