"""The kernel's own pages: approvals, events, messages between organisations, staff."""

from django.urls import URLPattern, path
from django.utils.translation import gettext_lazy as _

from senim.kernel.console import navigation, words


def declare() -> None:
    """Put the kernel's pages into the rail, and its records and events into words."""
    from senim.kernel.console import approvals_pages

    navigation.declare(
        navigation.Section("oversight", _("Oversight"), 80),
        navigation.Entry(
            url="console:approvals",
            label=_("Approvals"),
            icon="approvals",
            permission="approvals.view",
            count=approvals_pages.waiting_for,
            phone=_("Approvals"),
        ),
        navigation.Entry(
            url="console:outgoing", label=_("Sent messages"), icon="deliveries", permission="delivery.view"
        ),
        navigation.Entry(
            url="console:incoming", label=_("Received messages"), icon="files", permission="delivery.view"
        ),
        navigation.Entry(url="console:events", label=_("Events"), icon="events", permission="events.view"),
        navigation.Entry(url="console:staff", label=_("Staff"), icon="staff", permission="access.view_staff"),
    )
    words.declare_record("register", _("Register"))
    words.declare_record("staff", _("Worker"))
    words.declare_record("approval", _("Approval"), _approval)
    words.declare_record("message", _("Message"))
    words.declare_record("outgoing", _("Sent message"), _outgoing)
    words.declare_record("page", _("Page"))
    words.declare_record("peer", _("Organisation"))
    words.declare_record("none", _("No record"))
    words.declare_programs({"delivery": _("Delivery of messages")})
    words.declare_events(
        {
            "registers.export": _("Register taken out"),
            "registers.save_query": _("Query kept"),
            "registers.forget_query": _("Query deleted"),
            "access.change_password": _("Password changed"),
            "access.refuse": _("Page refused"),
            "access.session_end": _("Session ended"),
            "access.sign_in": _("Signed in"),
            "access.sign_out": _("Signed out"),
            "access.staff.add": _("Worker added"),
            "access.staff.password": _("New password given"),
            "access.staff.roles": _("Worker's roles changed"),
            "approvals.approve": _("Act approved"),
            "approvals.propose": _("Act proposed"),
            "approvals.refuse": _("Act refused"),
            "approvals.withdraw": _("Proposal withdrawn"),
            "delivery.peer": _("Organisation made known"),
            "delivery.receive": _("Message received"),
            "delivery.resend": _("Message sent again"),
            "delivery.send": _("Message sent"),
        }
    )


def _approval(record_id: str) -> str | None:
    from django.urls import reverse

    return reverse("console:approval", args=[int(record_id)]) if record_id.isdigit() else None


def _outgoing(record_id: str) -> str | None:
    from uuid import UUID

    from django.urls import reverse

    try:
        return reverse("console:outgoing-detail", args=[UUID(record_id)])
    except ValueError:
        return None


def patterns() -> list[URLPattern]:
    """Their addresses, below ``/console/``."""
    from senim.kernel.console import approvals_pages, delivery_pages, events_pages, staff_pages
    from senim.kernel.registers.views import urls

    return [
        *urls(approvals_pages.REGISTER, "approvals/"),
        path("approvals/<int:approval_id>/", approvals_pages.detail, name="approval"),
        path("approvals/<int:approval_id>/decide", approvals_pages.decide, name="approval-decide"),
        path("approvals/<int:approval_id>/withdraw", approvals_pages.withdraw, name="approval-withdraw"),
        *urls(events_pages.REGISTER, "events/"),
        path("events/<int:event_id>/", events_pages.detail, name="event"),
        *urls(delivery_pages.OUTGOING, "deliveries/outgoing/"),
        *urls(delivery_pages.INCOMING, "deliveries/incoming/"),
        path("deliveries/outgoing/<uuid:message_id>/", delivery_pages.outgoing, name="outgoing-detail"),
        path("deliveries/outgoing/<uuid:message_id>/resend", delivery_pages.resend, name="outgoing-resend"),
        path("deliveries/incoming/<int:message_pk>/", delivery_pages.incoming, name="incoming-detail"),
        *urls(staff_pages.REGISTER, "staff/"),
    ]
