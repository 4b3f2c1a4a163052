"""Why a message is refused. Every parser here raises these and nothing else, whatever bytes it is given."""

from dataclasses import dataclass

from senim.errors import BadInput


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a message: line from 1 (None when unknown) and path (``Document/FIToFICstmrCdtTrf/CdtTrfTxInf[3]``)."""

    line: int | None = None
    path: str = ""

    def __str__(self) -> str:
        line = f"line {self.line}" if self.line else ""
        return ", ".join(part for part in (line, self.path) if part)


@dataclass(frozen=True, slots=True)
class Problem:
    """One error found in a message: the ISO 20022 reason (ExternalStatusReason1Code), plain words, and the place."""

    reason: str
    message: str
    place: Place = Place()


class MessageRefused(BadInput):
    """The message cannot be used."""

    code = "payments.message_refused"
    default_reason = "FF01"

    def __init__(
        self, message: str | None = None, *, reason: str | None = None, place: Place = Place(), **fields: object
    ) -> None:
        self.reason = reason or self.default_reason
        self.place = place
        super().__init__(message, reason=self.reason, line=place.line, path=place.path, **fields)

    @property
    def problem(self) -> Problem:
        """The refusal as a value."""
        return Problem(self.reason, self.message, self.place)


class NotXml(MessageRefused):
    """The file is not well-formed XML."""

    code = "payments.message_not_xml"


class ForbiddenXml(MessageRefused):
    """The file uses a part of XML that messages may not use."""

    code = "payments.message_forbidden_xml"


class MessageTooLarge(MessageRefused):
    """A part of the message is larger than is accepted."""

    code = "payments.message_too_large"


class UnknownMessage(MessageRefused):
    """The file holds no message of a kind and version known here."""

    code = "payments.message_unknown"


class SchemaViolated(MessageRefused):
    """The message does not follow its schema."""

    code = "payments.message_schema"


class TotalsDiffer(MessageRefused):
    """The message's own totals differ from its transactions."""

    code = "payments.message_totals"


class DuplicateMessage(MessageRefused):
    """A message with this MsgId has already been recorded."""

    code = "payments.message_duplicate"
    default_reason = "DU01"
