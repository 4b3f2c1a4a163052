"""How far an operating day has come: locking it, moving it on, and saying what stops it.

Every step of the close begins by locking the day's row and looking at its state. So two closes at once become one
after the other, and the second finds the step done; and a step that was killed has left nothing, since its effects and
the new state commit together.
"""

import datetime as dt
import json
from collections.abc import Mapping
from typing import Any, ClassVar

from django.utils.translation import get_language, gettext
from django.utils.translation import gettext_noop as _

from senim.errors import BadInput, SenimError
from senim.kernel.values.money import format_amount
from senim.roles.payments.models import OperatingDay


class DayError(SenimError):
    """Something about an operating day is not as it should be."""

    code = "payments.day"


class DayUnknown(DayError, BadInput):
    """There is no such operating day."""

    code = "payments.day_unknown"


class DayNotBegun(DayError, BadInput):
    """The operating day has not begun yet."""

    code = "payments.day_not_begun"


class DayNotOver(DayError, BadInput):
    """The operating day is not over: two people may close it early."""

    code = "payments.day_not_over"


class DayNotOpen(DayError, BadInput):
    """The operating day is closed already."""

    code = "payments.day_not_open"


class CloseStopped(DayError):
    """The close of the day cannot go on.

    ``template`` is an English message with named places; it is kept with its ``fields`` in the day's ``trouble`` and
    translated for whoever reads it.
    """

    code = "payments.close_stopped"
    template: ClassVar[str] = _("The close of the day cannot go on.")

    def __init__(self, **fields: object) -> None:
        super().__init__(self.template % _shown(fields, "en"), **fields)


class DayDoesNotBalance(CloseStopped):
    """The operations of a participant and its clearing account tell different sums."""

    code = "payments.day_does_not_balance"
    template = _(
        "Participant %(participant)s: the operations of the day make a net position of %(operations_tiyn)s, its "
        "clearing account moved by %(ledger_tiyn)s. Nothing has been sent."
    )


class SettlementBankMissing(CloseStopped):
    """There is no settlement bank to which instructions could be sent."""

    code = "payments.settlement_bank_missing"
    template = _("No settlement bank is active and known as a delivery peer.")


class SettlementBankSilent(CloseStopped):
    """The settlement bank has not answered for long."""

    code = "payments.settlement_bank_silent"
    template = _(
        "The settlement bank has not answered message %(message_id)s since %(sent_at)s. It has been sent again."
    )


class SettlementRefused(CloseStopped):
    """The settlement bank refused instructions."""

    code = "payments.settlement_refused"
    template = _("The settlement bank refused: %(refused)s. Send them again when the reason is gone.")


class AnswerContradicts(CloseStopped):
    """The settlement bank answered twice, and differently."""

    code = "payments.answer_contradicts"
    template = _(
        "The settlement bank first answered %(first)s to instruction %(instruction)s and now %(second)s. The first "
        "answer stands; clear this up with the bank."
    )


class PostingWaits(CloseStopped):
    """A final posting finds no room under the participant's net debit cap."""

    code = "payments.posting_waits"
    template = _(
        "The final posting of %(amount_tiyn)s to participant %(participant)s waits: its later operations already use "
        "this sum."
    )


def lock(day: dt.date) -> OperatingDay:
    """The row of ``day``, locked against every other step until the transaction ends.

    Batches of the Centre hold the row FOR SHARE while it is open, so this also waits for those that have begun.

    Raises:
        DayUnknown: there is no such day.
    """
    row = OperatingDay.objects.select_for_update().filter(pk=day).first()
    if row is None:
        raise DayUnknown(day=day.isoformat())
    return row


def note_trouble(day: dt.date, stopped: SenimError) -> None:
    """Keep on the day what stops its close, for people to see. The same again writes nothing."""
    if isinstance(stopped, CloseStopped):
        kept = {"message": stopped.template, "fields": stopped.fields}
    else:
        kept = {"message": stopped.message.replace("%", "%%"), "fields": {}}
    trouble = json.dumps(kept, ensure_ascii=False, default=str)
    OperatingDay.objects.filter(pk=day).exclude(trouble=trouble).update(trouble=trouble)


def trouble_text(row: OperatingDay) -> str:
    """What stops the close of the day, in the reader's language; empty when nothing does."""
    if not row.trouble:
        return ""
    try:
        kept = json.loads(row.trouble)
        return gettext(kept["message"]) % _shown(kept["fields"], get_language() or "kk")
    except (ValueError, KeyError, TypeError):
        return row.trouble  # written by hand, or by an older release: better shown as it is than hidden


def _shown(fields: Mapping[str, Any], language: str) -> dict[str, Any]:
    """Fields as people read them: sums in tenge."""
    return {
        name: format_amount(value, language) if name.endswith("_tiyn") and isinstance(value, int) else value
        for name, value in fields.items()
    }
