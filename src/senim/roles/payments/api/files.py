"""The participants' API for files: send one in, see how far it is, fetch the answer. Signed by RFC 9421.

A participant sees its own files and nothing of the others: what is not its own is not there (404).
"""

import datetime as dt
import uuid
from typing import BinaryIO, Final, cast

from django.http import FileResponse, HttpRequest, HttpResponse
from ninja import NinjaAPI, Schema, Status
from ninja.errors import AuthenticationError, ValidationError

from senim.errors import BadInput, SenimError
from senim.kernel import events
from senim.kernel.delivery.signatures import SignatureRefused
from senim.kernel.documents import store
from senim.roles.payments.api.authentication import DigestedBody, participant_of
from senim.roles.payments.models import MessageFile, Participant
from senim.roles.payments.services import files

PROBLEM_TYPE: Final = "application/problem+json"
PAGE_MAX: Final = 100


class AnswerNotReady(SenimError):
    """The file is not answered yet."""

    code = "payments.file_not_answered"


class NotFound(SenimError):
    """There is no such file of yours."""

    code = "payments.file_unknown"


class FileOut(Schema):
    """A file and what became of it. ``state``: received, checking, recording, recorded or refused."""

    id: uuid.UUID
    name: str
    sha256: str
    size_bytes: int
    state: str
    received_at: dt.datetime
    finished_at: dt.datetime | None
    message_type: str
    message_id: str
    operating_day: dt.date | None
    transactions_total: int
    transactions_done: int
    accepted: int
    refused: int
    amount_tiyn: int
    reason: str
    problem: str
    problem_line: int | None
    problem_path: str


class ProblemOut(Schema):
    """RFC 9457. ``code`` is stable; ``title`` is for people."""

    code: str
    title: str
    status: int


PROBLEMS: Final = dict.fromkeys((400, 401, 403, 404, 409, 413, 422), ProblemOut)
STATUSES: Final[dict[type[SenimError], int]] = {
    NotFound: 404,
    AnswerNotReady: 409,
    files.FileTooLarge: 413,
    files.ParticipantNotActive: 403,
    SignatureRefused: 401,
}


api = NinjaAPI(
    title="Senim: files of participants",
    version="1",
    urls_namespace="payments-files",
    docs_url=None,
    description="ISO 20022 files (pacs.008 in, pacs.002 out). Every request is signed by RFC 9421: "
    '"@method" "@path", "@query" when there is one, "content-digest" when there is a body.',
)


def _authenticate(request: HttpRequest) -> Participant | None:
    return participant_of(request)


def _sender(request: HttpRequest) -> Participant:
    return cast("Participant", request.auth)  # type: ignore[attr-defined]  # set by ninja from _authenticate


def _own(request: HttpRequest, file_id: uuid.UUID) -> MessageFile:
    """The caller's own received file: the only way to a file here.

    Raises:
        NotFound: there is none, or it is another's.
    """
    own = MessageFile.objects.filter(participant=_sender(request), direction=MessageFile.Direction.IN)
    file = own.filter(pk=file_id).first()
    if file is None:
        raise NotFound()
    return file


def _out(file: MessageFile) -> dict[str, object]:
    fields = {name: getattr(file, name) for name in FileOut.model_fields if name != "operating_day"}
    return {**fields, "operating_day": file.day}


@api.post(
    "/files",
    auth=_authenticate,
    response={202: FileOut, **PROBLEMS},
    summary="Send a file in",
    operation_id="send_file",
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/xml": {"schema": {"type": "string", "format": "binary"}}},
        },
    },
)
def send_file(request: HttpRequest, name: str = "") -> Status[dict[str, object]]:
    """Take the body as a pacs.008 file. It is checked and recorded behind; the same bytes are the same file."""
    sender = _sender(request)
    body = cast("BinaryIO", DigestedBody(request))
    actor = events.Actor.client(sender.code, sender.name)
    return Status(202, _out(files.receive_file(sender, name, body, actor=actor)))


@api.get(
    "/files",
    auth=_authenticate,
    response={200: list[FileOut], **PROBLEMS},
    summary="Your files, the latest first",
    operation_id="list_files",
)
def list_files(request: HttpRequest, before: dt.datetime | None = None) -> list[dict[str, object]]:
    """At most a hundred, received before a moment where one is given."""
    own = MessageFile.objects.filter(participant=_sender(request), direction=MessageFile.Direction.IN)
    if before is not None:
        own = own.filter(received_at__lt=before)
    return [_out(file) for file in own.order_by("-received_at")[:PAGE_MAX]]


@api.get(
    "/files/{uuid:file_id}",
    auth=_authenticate,
    response={200: FileOut, **PROBLEMS},
    summary="One file and how far it is",
    operation_id="get_file",
)
def get_file(request: HttpRequest, file_id: uuid.UUID) -> dict[str, object]:
    """The file's state, its progress, and why it was refused if it was."""
    return _out(_own(request, file_id))


@api.get(
    "/files/{uuid:file_id}/answer",
    auth=_authenticate,
    response=dict(PROBLEMS),
    summary="The answer: pacs.002, or admi.002 where the file was no message",
    operation_id="get_answer",
    openapi_extra={
        "responses": {
            200: {
                "description": "The answer",
                "content": {"application/xml": {"schema": {"type": "string", "format": "binary"}}},
            },
        },
    },
)
def get_answer(request: HttpRequest, file_id: uuid.UUID) -> FileResponse:
    """The same answer however often it is fetched."""
    answer = MessageFile.objects.filter(answers=_own(request, file_id)).first()
    if answer is None:
        raise AnswerNotReady()
    sender = _sender(request)
    with events.act(
        "payments.file.answer", events.Actor.client(sender.code, sender.name), ("file", file_id), sha256=answer.sha256
    ):
        content = store.open(answer.sha256)
    return FileResponse(content, as_attachment=True, filename=answer.name, content_type="application/xml")


def _problem(request: HttpRequest, code: str, title: str, status: int) -> HttpResponse:
    response = api.create_response(request, {"code": code, "title": title, "status": status}, status=status)
    response["Content-Type"] = PROBLEM_TYPE
    return response


@api.exception_handler(SenimError)
def _refused(request: HttpRequest, error: SenimError) -> HttpResponse:
    if isinstance(error, SignatureRefused):
        return _unauthenticated(request, error)
    status = STATUSES.get(type(error), 422 if isinstance(error, BadInput) else 409)
    return _problem(request, error.code, error.message, status)


@api.exception_handler(AuthenticationError)
def _unauthenticated(request: HttpRequest, _error: Exception) -> HttpResponse:
    return _problem(request, "payments.unauthenticated", "The request is not signed as it has to be.", 401)


@api.exception_handler(ValidationError)
def _malformed(request: HttpRequest, _error: ValidationError) -> HttpResponse:
    return _problem(request, "senim.bad_input", "A parameter is not of its kind.", 400)
