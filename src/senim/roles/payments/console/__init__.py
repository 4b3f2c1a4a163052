"""The payment system's pages, declared to the console when the program starts."""

from uuid import UUID

from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext_lazy as _

from senim.kernel.console import navigation, pages, views, words
from senim.roles.payments import permissions
from senim.roles.payments.console import accounts, days, files, operations, participants, urls

navigation.declare(
    navigation.Section("payments.day", "", 10),
    navigation.Entry(
        url="console:payments:dashboard",
        label=_("Operating day"),
        icon="day",
        permission=permissions.VIEW_DAY,
        phone=_("Day"),
    ),
    navigation.Entry(
        url="console:payments:operations",
        label=_("Operations"),
        icon="operations",
        permission=permissions.VIEW_OPERATIONS,
        phone=_("Operations"),
    ),
    navigation.Entry(
        url="console:payments:files",
        label=_("Files"),
        icon="files",
        permission=permissions.VIEW_FILES,
        phone=_("Files"),
    ),
)
navigation.declare(
    navigation.Section("payments.clearing", _("Clearing and settlement"), 20),
    navigation.Entry(
        url="console:payments:days", label=_("Operating days"), icon="days", permission=permissions.VIEW_DAY
    ),
    navigation.Entry(
        url="console:payments:netting-now", label=_("Netting"), icon="netting", permission=permissions.VIEW_SETTLEMENT
    ),
    navigation.Entry(
        url="console:payments:instructions",
        label=_("Settlement"),
        icon="settlement",
        permission=permissions.VIEW_SETTLEMENT,
    ),
)
navigation.declare(
    navigation.Section("payments.participants", _("Participants"), 30),
    navigation.Entry(
        url="console:payments:participants",
        label=_("Register of participants"),
        icon="participants",
        permission=permissions.VIEW_PARTICIPANTS,
    ),
    navigation.Entry(
        url="console:payments:accounts",
        label=_("Customer accounts"),
        icon="accounts",
        permission=permissions.VIEW_PARTICIPANTS,
    ),
)

pages.declare("payments", urls.urlpatterns)
views.declare_finder(permissions.VIEW_OPERATIONS, operations.find)
views.declare_finder(permissions.VIEW_PARTICIPANTS, accounts.find)
views.declare_finder(permissions.VIEW_PARTICIPANTS, participants.find)
views.declare_finder(permissions.VIEW_FILES, files.find)


def _address(name: str, value: object) -> str | None:
    try:
        return reverse(f"console:payments:{name}", args=[value])
    except NoReverseMatch:
        return None


def _of_uuid(name: str, text: str) -> str | None:
    try:
        return _address(name, UUID(text))
    except ValueError:
        return None


words.declare_record("participant", _("Participant"), lambda code: _address("participant", code))
words.declare_record("operating_day", _("Operating day"), lambda day: _address("day", day))
words.declare_record("account", _("Customer account"), lambda number: _address("account", number))
words.declare_record("file", _("File"), lambda number: _of_uuid("file", number))
words.declare_record("operation", _("Operation"), lambda number: _of_uuid("operation", number))
words.declare_record("report", _("Participant's report"))
words.declare_record("instruction", _("Settlement instruction"))
words.declare_act(
    "payments.participant",
    words.Act(
        label=_("Participant's registration"),
        subject=participants.approval_subject,
        facts=participants.approval_facts,
        consequence=_(
            "The participant becomes active at once: its accounts open, its cap is posted, and it may "
            "initiate operations."
        ),
        permission=permissions.APPROVE_PARTICIPANT,
    ),
)
words.declare_act(
    "payments.close_day",
    words.Act(
        label=_("Close of the operating day"),
        subject=days.approval_subject,
        facts=days.approval_facts,
        consequence=_(
            "The day closes at once and cannot be opened again. Operations that come later belong to the "
            "next day; netting and settlement begin."
        ),
        permission=permissions.CONFIRM_CLOSE_DAY,
    ),
)
words.declare_events(
    {
        "payments.account.close": _("Customer account closed"),
        "payments.account.open": _("Customer account opened"),
        "payments.day.close": _("Operating day closed"),
        "payments.day.instruct": _("Settlement instructions sent"),
        "payments.day.net": _("Obligations netted"),
        "payments.day.propose_close": _("Close of the day proposed"),
        "payments.day.retry_settlement": _("Refused instructions sent again"),
        "payments.day.settle": _("Day settled finally"),
        "payments.day.report": _("Reports of the day made"),
        "payments.file.answer": _("File answered"),
        "payments.file.download": _("File taken out"),
        "payments.file.receive": _("File received"),
        "payments.file.record": _("File recorded"),
        "payments.file.refuse": _("File refused"),
        "payments.report.resend": _("Report sent again"),
        "payments.report.send": _("Report sent"),
        "payments.participant.cap": _("Net debit cap changed"),
        "payments.participant.connect": _("Participant's delivery address set"),
        "payments.participant.key": _("Participant's key added"),
        "payments.participant.key.revoke": _("Participant's key revoked"),
        "payments.participant.register": _("Participant registered"),
        "payments.report.download": _("Report taken out"),
        "payments.settlement.answer": _("Settlement bank's answer"),
    }
)
words.declare_programs(
    {
        "payments.day": _("Close of the day"),
        "payments.import_file": _("Import of files"),
    }
)
words.declare_messages(
    {
        "pacs.008.001.08": _("Payments of customers"),
        "pacs.002.001.10": _("Status report"),
        "pacs.009.001.08": _("Settlement instructions"),
        "report": _("Participant's report"),
    }
)
