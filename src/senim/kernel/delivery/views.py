"""The door for messages of other organisations."""

from typing import Final

import structlog
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST, require_safe

from senim.errors import SenimError
from senim.kernel.delivery import keys, receiving, wire

log = structlog.get_logger(__name__)

STATUSES: Final[dict[type[SenimError], int]] = {
    wire.BadSignature: 401,
    wire.UnknownSender: 401,
    wire.TooLarge: 413,
    receiving.MessageIdReused: 409,
    wire.BadEnvelope: 400,
}


@csrf_exempt  # no cookie speaks here: the message itself is signed
@never_cache
@require_POST
def messages(request: HttpRequest) -> HttpResponse:
    """Take one envelope; answer with our signed receipt."""
    try:
        receipt = receiving.receive(_bounded(request))
    except SenimError as error:
        status = STATUSES.get(type(error), 400)
        log.warning("delivery_refused", code=error.code, status=status)
        return JsonResponse({"error": {"code": error.code, "message": error.message}}, status=status)
    return HttpResponse(receipt, content_type=wire.CONTENT_TYPE)


def _bounded(request: HttpRequest) -> bytes:
    """Read the body, never more of it than an envelope may have.

    Raises:
        TooLarge: there is more.
    """
    declared = request.META.get("CONTENT_LENGTH") or "0"
    if not declared.isdigit() or int(declared) > wire.ENVELOPE_BYTES_MAX:
        raise wire.TooLarge(limit_bytes=wire.ENVELOPE_BYTES_MAX)
    body = request.read(wire.ENVELOPE_BYTES_MAX + 1)
    if len(body) > wire.ENVELOPE_BYTES_MAX:
        raise wire.TooLarge(limit_bytes=wire.ENVELOPE_BYTES_MAX)
    return body


@require_safe
def public_keys(request: HttpRequest) -> HttpResponse:
    """Our public keys as a JWK set: public, and still to be compared with what the contract says."""
    del request
    return JsonResponse(keys.own().public.as_jwks(), content_type="application/jwk-set+json")
