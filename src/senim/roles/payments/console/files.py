"""Files of ISO 20022 messages: the register, sending one in, watching it being recorded, taking it out again."""

from collections.abc import Callable
from typing import Any, BinaryIO, cast
from uuid import UUID

from django import forms
from django.contrib import messages
from django.core.files.uploadedfile import UploadedFile
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods, require_safe

from senim.errors import SenimError
from senim.kernel import events
from senim.kernel.access.guard import background, requires
from senim.kernel.console import events_pages, formats
from senim.kernel.console.help import Help
from senim.kernel.console.people import person
from senim.kernel.console.views import Found
from senim.kernel.documents import store
from senim.kernel.registers.columns import Column, Form
from senim.kernel.registers.filters import Choice, Period
from senim.kernel.registers.register import Action, Register
from senim.roles.payments import permissions
from senim.roles.payments.console import labels
from senim.roles.payments.console.operations import BANKS, as_uuid
from senim.roles.payments.models import MessageFile, Operation, Participant
from senim.roles.payments.rules.kinds import FileState, Status
from senim.roles.payments.services import files as service

MOVING = frozenset({FileState.RECEIVED, FileState.CHECKING, FileState.RECORDING})
HELP = Help(
    lines=(
        _(
            "A file is first checked whole: form, totals, repeated identifiers. Then all its transactions are "
            "recorded, or none."
        ),
        _(
            "A refused file has recorded nothing and may be mended and sent again. The answer pacs.002 carries "
            "a status for each transaction."
        ),
        _("Files are kept byte for byte as they came."),
    ),
    clauses=("EM-55.9", "EM-55.10"),
)


def _of_received(field: str) -> Callable[[MessageFile], int | None]:
    """The field's value for a file that came; an answer of ours counts nothing of its own and shows no noughts."""
    return lambda row: None if row.answers_id else getattr(row, field)


REGISTER = Register(
    name="payments.files",
    namespace="console:payments",
    title=_("Files"),
    permission=permissions.VIEW_FILES,
    rows=lambda: MessageFile.objects.select_related("participant"),
    columns=(
        Column(name="received_at", label=_("Time"), form=Form.MOMENT),
        Column(
            name="name",
            label=_("File"),
            value=lambda row: row.name or row.message_id,
            lead=True,
            note=lambda row: row.message_type,
        ),
        Column(
            name="participant",
            label=_("Participant"),
            value=lambda row: row.participant.name,
            order=lambda: f"participant__{labels.name_field()}",
        ),
        Column(name="direction", label=_("Direction"), value=lambda row: row.get_direction_display()),
        Column(
            name="state",
            label=_("State"),
            state=labels.file_state,
            note=lambda row: labels.reason_and_code(row.reason) if row.reason else "",
        ),
        Column(
            name="transactions_total",
            value=_of_received("transactions_total"),
            label=_("Transactions"),
            form=Form.NUMBER,
            total=True,
        ),
        Column(
            name="accepted",
            value=_of_received("accepted"),
            label=_("Transactions carried out"),
            form=Form.NUMBER,
            total=True,
        ),
        Column(name="refused", value=_of_received("refused"), label=_("Refused"), form=Form.NUMBER, total=True),
        Column(name="amount_tiyn", value=_of_received("amount_tiyn"), label=_("Sum, ₸"), form=Form.AMOUNT, total=True),
    ),
    default_order="-received_at",
    filters=(
        Period(label=_("Days"), path="received_at", of_moments=True),
        Choice(
            name="state",
            label=_("State"),
            path="state",
            choices=lambda: [(s.value, labels.FILE_STATES[s].words) for s in FileState],
        ),
        Choice(name="direction", label=_("Direction"), path="direction", choices=lambda: MessageFile.Direction.choices),
        Choice(name="bank", label=_("Participant"), path="participant_id", choices=BANKS),
    ),
    search=lambda rows, text: rows.filter(message_id=text) | rows.filter(name__icontains=text),
    search_hint=_("Message id or file name"),
    address=lambda row: reverse("console:payments:file", args=[row.pk]),
    actions=(
        Action(
            label=_("Send a file in"),
            url="console:payments:file-upload",
            permission=permissions.UPLOAD_FILE,
            icon="upload",
        ),
    ),
    empty=_("Files from participants, and our answers to them, appear here."),
    help=HELP,
)


def find(request: HttpRequest, text: str) -> list[Found]:
    """Files for the search at the top: by message id or number."""
    del request
    number = as_uuid(text)
    rows = MessageFile.objects.filter(pk=number) if number else MessageFile.objects.filter(message_id=text)
    return [
        Found(_("File"), str(row), row.message_type, reverse("console:payments:file", args=[row.pk]))
        for row in rows.order_by("-received_at")[:10]
    ]


class UploadForm(forms.Form):
    """A participant's file."""

    participant = forms.ModelChoiceField(
        label=_("Participant"), queryset=Participant.objects.none(), help_text=_("On whose behalf the file is sent in.")
    )
    file = forms.FileField(
        label=_("File"), max_length=255, help_text=_("ISO 20022 pacs.008, XML, up to 100,000 transactions.")
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Offer the banks that may initiate operations."""
        super().__init__(*args, **kwargs)
        self.use_required_attribute = False
        field = cast("forms.ModelChoiceField[Participant]", self.fields["participant"])
        banks = Participant.objects.filter(state=Participant.State.ACTIVE, role=Participant.Role.BANK)
        field.queryset = banks.order_by("code")


@require_http_methods(["GET", "HEAD", "POST"])
@requires(permissions.UPLOAD_FILE)
def upload(request: HttpRequest) -> HttpResponse:
    """Take a file in; a job checks and records it while the reader watches."""
    asked_at = timezone.now()
    form = UploadForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        sent = cast("UploadedFile[bytes]", form.cleaned_data["file"])
        try:
            received = service.receive_file(
                form.cleaned_data["participant"],
                sent.name or "",
                cast("BinaryIO", sent),
                actor=events.Actor.staff(person(request)),
            )
        except SenimError as refused:
            form.add_error("file", gettext(refused.message))
        else:
            if received.received_at < asked_at:
                words = gettext("This very file came before, on %(moment)s. Nothing is done a second time.")
                messages.info(request, words % {"moment": formats.moment(received.received_at)})
            else:
                messages.success(request, gettext("The file is received and is being checked."))
            return redirect("console:payments:file", received.pk)
    context = {
        "form": form,
        "crumbs": [(_("Files"), reverse("console:payments:files")), (_("Send a file in"), None)],
        "help": HELP,
    }
    return render(request, "payments/file_upload.html", context, status=422 if form.errors else 200)


def _context(request: HttpRequest, file: MessageFile) -> dict[str, object]:
    refused = Operation.objects.filter(file_id=file.pk, status=Status.REFUSED).order_by("file_index")[:10]
    return {
        "file": file,
        "state": labels.file_state(file),
        "reason": labels.reason_and_code(file.reason) if file.reason else "",
        "moving": file.direction == MessageFile.Direction.IN and file.state in MOVING,
        "answer": file.answered_by.order_by("-received_at").first(),
        "refused": [(one, labels.reason_and_code(one.reason)) for one in refused],
        "history": events_pages.history(request, "file", str(file.pk)),
        "crumbs": [(_("Files"), reverse("console:payments:files")), (str(file), None)],
        "help": HELP,
    }


def _file(file_id: UUID) -> MessageFile:
    return get_object_or_404(MessageFile.objects.select_related("participant", "answers"), pk=file_id)


@require_safe
@requires(permissions.VIEW_FILES)
def detail(request: HttpRequest, file_id: UUID) -> HttpResponse:
    """One file and what became of it."""
    return render(request, "payments/file.html", _context(request, _file(file_id)))


@require_safe
@background
@requires(permissions.VIEW_FILES)
def live(request: HttpRequest, file_id: UUID) -> HttpResponse:
    """The living part of a file's page; it stops asking when the file has come to its end."""
    return render(request, "payments/_file_live.html", _context(request, _file(file_id)))


@require_safe
@requires(permissions.VIEW_FILES)
def download(request: HttpRequest, file_id: UUID) -> HttpResponseBase:
    """Give the file byte for byte."""
    file = _file(file_id)
    name = file.name or f"{file.message_id or file.pk}.xml"
    try:
        with events.act("payments.file.download", events.Actor.staff(person(request)), record=("file", file.pk)):
            content = store.open(file.sha256)
    except store.DocumentError as missing:
        raise Http404(missing.code) from missing
    # Never shown by the browser as a page: what came from outside is only ever saved.
    return FileResponse(content, as_attachment=True, filename=name, content_type="application/octet-stream")
