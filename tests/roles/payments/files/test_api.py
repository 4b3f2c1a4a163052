"""The participants' API: signed requests, their own files alone, and the way from upload to answer."""

import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.test import Client
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob
from tests.roles.payments.files.two_banks import Market

from senim.kernel.access.sealed import seal
from senim.kernel.delivery.signatures import SigningKey, ed25519_signing_key, hmac_signing_key, sign_request
from senim.kernel.events.models import Event
from senim.roles.payments.messages import pacs002
from senim.roles.payments.models import MessageFile, Participant, ParticipantKey
from senim.roles.payments.services import files

FILES = "/payments/v1/files"


def ed25519(participant: Participant) -> SigningKey:
    """A key of the participant, registered."""
    private = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(participant.code.encode()).digest())
    ParticipantKey.objects.create(
        key_id=f"{participant.code}-ed25519",
        participant=participant,
        algorithm=ParticipantKey.Algorithm.ED25519,
        material=private.public_key().public_bytes_raw(),
        valid_from=timezone.now(),
    )
    return ed25519_signing_key(f"{participant.code}-ed25519", private.private_bytes_raw())


def call(key: SigningKey, method: str, target: str, body: bytes = b"", **changes: Any) -> Any:
    """Send a signed request; ``changes`` override header fields after signing."""
    headers = sign_request(key, method, target, body, created=changes.pop("created", None)) | changes
    return Client().generic(method, target, body, content_type="application/xml", headers=headers)


@pytest.fixture
def key(market: Market) -> SigningKey:
    return ed25519(market.a)


@pytest.mark.clause("EM-55.10")
@pytest.mark.clause("PO-34.10")
def test_a_file_goes_from_upload_to_answer(market: Market, key: SigningKey) -> None:
    sent = call(key, "POST", f"{FILES}?name=transfers.xml", market.file([market.payment(1), market.payment(2)]))
    assert sent.status_code == 202, sent.content
    received = sent.json()
    assert (received["state"], received["name"]) == ("received", "transfers.xml")
    job = ProcrastinateJob.objects.get(task_name="payments.import_file")
    assert job.args == {"file_id": received["id"]}
    one = f"{FILES}/{received['id']}"
    early = call(key, "GET", f"{one}/answer")
    assert (early.status_code, early.json()["code"]) == (409, "payments.file_not_answered")
    files.import_file(MessageFile.objects.get(pk=received["id"]).pk)
    done = call(key, "GET", one).json()
    assert (done["state"], done["accepted"], done["refused"]) == ("recorded", 2, 0)
    answer = call(key, "GET", f"{one}/answer")
    assert answer["Content-Type"] == "application/xml"
    report, statuses = pacs002.read(b"".join(answer.streaming_content))
    assert (report.original.message_id, len(statuses)) == ("MSG-1", 2)
    assert [each["id"] for each in call(key, "GET", FILES).json()] == [received["id"]]
    steps = Event.objects.filter(record_id=received["id"], actor=market.a.code).order_by("began_at")
    assert [each.name for each in steps] == ["payments.file.receive", "payments.file.answer"]
    assert all(each.outcome == "succeeded" for each in steps)


def test_an_hmac_key_does_too(market: Market) -> None:
    secret = b"s" * 32
    ParticipantKey.objects.create(
        key_id="hmac",
        participant=market.a,
        algorithm=ParticipantKey.Algorithm.HMAC_SHA256,
        material=seal(secret),
        valid_from=timezone.now(),
    )
    assert call(hmac_signing_key("hmac", secret), "GET", FILES).status_code == 200


def test_a_participant_sees_its_own_files_alone(market: Market, key: SigningKey) -> None:
    file = market.send(market.file([market.payment()]))
    other = ed25519(market.b)
    assert call(key, "GET", f"{FILES}/{file.pk}").status_code == 200
    for target in (f"{FILES}/{file.pk}", f"{FILES}/{file.pk}/answer"):
        refused = call(other, "GET", target)
        assert (refused.status_code, refused.json()["code"]) == (404, "payments.file_unknown")
    assert call(other, "GET", FILES).json() == []
    outgoing = MessageFile.objects.get(answers=file)
    assert call(key, "GET", f"{FILES}/{outgoing.pk}").status_code == 404, "an answer is not a file that was sent in"


SPOILINGS: list[Callable[[SigningKey, bytes], Any]] = [
    lambda _key, body: Client().post(FILES, body, content_type="application/xml"),
    lambda key, body: call(key, "POST", FILES, body, created=1_700_000_000),
    lambda key, body: call(key, "POST", FILES, body, Signature="sig1=:AAAA:"),
    lambda _key, body: call(ed25519_signing_key("nobody", b"k" * 32), "POST", FILES, body),
    lambda key, body: call(ed25519_signing_key(key.key_id, b"k" * 32), "POST", FILES, body),
    lambda key, body: Client().generic(
        "POST", FILES, body + b" ", content_type="application/xml", headers=sign_request(key, "POST", FILES, body)
    ),
    lambda key, body: Client().generic(
        "POST", FILES, body, content_type="application/xml", headers=sign_request(key, "POST", FILES)
    ),
    lambda key, body: Client().generic(
        "POST",
        f"{FILES}?name=x",
        body,
        content_type="application/xml",
        headers=sign_request(key, "POST", FILES, body),
    ),
    lambda key, body: Client().generic(
        "POST", FILES, body, content_type="application/xml", headers=sign_request(key, "PUT", FILES, body)
    ),
]


def test_what_is_not_signed_right_is_refused_in_one_way(market: Market, key: SigningKey) -> None:
    """Unsigned, stale, garbled, by an unknown key, forged, another body, no digest, a query added, another method."""
    assert len(SPOILINGS) == 9
    for spoil in SPOILINGS:
        response = spoil(key, market.file([market.payment()]))
        assert response.status_code == 401
        assert response.json() == {
            "code": "payments.unauthenticated",
            "title": "The request is not signed as it has to be.",
            "status": 401,
        }
    assert not MessageFile.objects.exists()


def test_a_revoked_key_ends_at_once(market: Market, key: SigningKey) -> None:
    assert call(key, "GET", FILES).status_code == 200
    ParticipantKey.objects.update(revoked_at=timezone.now())
    assert call(key, "GET", FILES).status_code == 401


def test_a_suspended_participant_reads_but_sends_nothing(market: Market, key: SigningKey) -> None:
    Participant.objects.filter(pk=market.a.pk).update(state="suspended")
    assert call(key, "GET", FILES).status_code == 200
    refused = call(key, "POST", FILES, market.file([market.payment()]))
    assert (refused.status_code, refused.json()["code"]) == (403, "payments.participant_not_active")


def test_bad_parameters_are_problems(market: Market, key: SigningKey) -> None:
    response = call(key, "GET", f"{FILES}?before=yesterday")
    assert (response.status_code, response["Content-Type"]) == (400, "application/problem+json")
    assert call(key, "GET", f"{FILES}/not-a-uuid").status_code == 404
    assert call(key, "POST", FILES, b" ").status_code == 202, "what is in a file is looked at later"


def test_the_api_describes_itself(market: Market) -> None:
    described = json.loads(Client().get("/payments/v1/openapi.json").content)
    assert set(described["paths"]) == {
        "/payments/v1/files",
        "/payments/v1/files/{file_id}",
        "/payments/v1/files/{file_id}/answer",
    }
    assert "application/xml" in described["paths"]["/payments/v1/files"]["post"]["requestBody"]["content"]
