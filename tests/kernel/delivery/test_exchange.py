"""Delivery against a real HTTP peer that doubles, delays, reorders, breaks off and lies."""

import datetime as dt
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from senim.errors import BadInput
from senim.kernel import delivery, events
from senim.kernel.delivery import keys, refusals, registry, sending, wire
from senim.kernel.delivery.models import Incoming, Outgoing, Peer
from senim.kernel.events.models import Event

KIND = "test.message"
ADDRESS = "/delivery/v1/messages"
ACTOR = events.Actor.command()
Behaviour = Callable[["OtherSide", bytes], tuple[int, str] | None]


def honest(side: "OtherSide", envelope: bytes) -> tuple[int, str]:
    """Open, note, give a receipt."""
    ours = keys.own().public
    opened = wire.open_(envelope, side.keys, {ours.signing.thumbprint(): ours}.get)
    with side.lock:
        side.received.append(opened.message)
    reason = side.refuses.get(opened.message.kind, "")
    receipt = wire.Receipt(opened.message.id, opened.digest, not reason, reason, dt.datetime.now(dt.UTC))
    return 200, wire.sign_receipt(receipt, side.keys)


@dataclass
class OtherSide:
    """Another organisation: its keys, what it received, and how it behaves."""

    keys: wire.OwnKeys
    received: list[wire.Message] = field(default_factory=list)
    refuses: dict[str, str] = field(default_factory=dict)
    behave: Behaviour = honest
    lock: threading.Lock = field(default_factory=threading.Lock)


@pytest.fixture
def side() -> Iterator[OtherSide]:
    """A peer with a real server."""
    side = OtherSide(wire.OwnKeys.generate("their"))

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == ADDRESS
            answer = side.behave(side, self.rfile.read(int(self.headers["Content-Length"])))
            if answer is None:
                self.close_connection = True
                return
            status, text = answer
            self.send_response(status)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    side.url = f"http://127.0.0.1:{server.server_port}"  # type: ignore[attr-defined]
    yield side
    server.shutdown()
    server.server_close()
    thread.join(5)


@pytest.fixture
def peer(db: None, side: OtherSide) -> Peer:
    """The peer as we know it."""
    public = side.keys.public
    return delivery.add_peer(
        "their",
        "Their bank",
        side.url,  # type: ignore[attr-defined]
        signing_jwk=public.signing.as_dict(private=False),
        encryption_jwk=public.encryption.as_dict(private=False),
        actor=ACTOR,
    )


TAKEN: list[bytes] = []


@pytest.fixture(autouse=True)
def receiver() -> Iterator[None]:
    """Our own side takes test messages; some contents it cannot take."""

    @delivery.receives(KIND)
    def take(incoming: Incoming) -> None:
        body = bytes(incoming.body)
        if body == b"wrong":
            raise BadInput("It says nothing.")
        if body == b"crash":
            raise ZeroDivisionError
        events.note("test.taken", events.Actor.peer(incoming.peer.code), ("message", str(incoming.message_id)))
        TAKEN.append(body)

    TAKEN.clear()
    yield
    registry._RECEIVERS.pop(KIND)


@pytest.fixture(autouse=True)
def bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test is short of events because of those before it."""
    monkeypatch.setattr(refusals, "_bound", refusals.Bound(refusals.EVENTS_PER_MINUTE_MAX))


def due_again() -> None:
    """Let the time until the next attempt pass."""
    Outgoing.objects.filter(state__in=["waiting", "sent"]).update(next_at=timezone.now())


def sent(row: Outgoing) -> Outgoing:
    row.refresh_from_db()
    return row


# Outgoing


@pytest.mark.clause("EM-55.10")
@pytest.mark.clause("PO-34.10")
@pytest.mark.clause("PS-14.2")
def test_a_message_is_delivered_and_both_steps_are_recorded(peer: Peer, side: OtherSide) -> None:
    file = wire.Attached("report.pdf", "application/pdf", b"%PDF")
    row = delivery.send(
        peer, KIND, b"hello", filename="a.xml", content_type="application/xml", conversation="c/1", attachments=[file]
    )
    assert row.state == "waiting"
    assert delivery.deliver_due() == 1
    assert sent(row).state == "receipted"
    assert row.created_at <= row.finished_at  # type: ignore[operator]
    (message,) = side.received
    assert (message.id, message.body, message.filename, message.conversation) == (row.pk, b"hello", "a.xml", "c/1")
    assert message.attachments == (file,)
    assert wire.open_receipt(row.receipt, side.keys.public, row.pk, message.digest).accepted
    event = Event.objects.get(name="delivery.send")
    assert (event.outcome, event.record_id, event.data["peer"]) == ("succeeded", str(row.pk), "their")
    assert delivery.deliver_due() == 0


@pytest.mark.django_db(transaction=True)
def test_nothing_leaves_unless_the_transaction_commits(peer: Peer, side: OtherSide) -> None:
    def undone() -> None:
        with transaction.atomic():
            delivery.send(peer, KIND, b"never")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        undone()
    assert delivery.deliver_due() == 0
    assert side.received == []


def breaks_off(side: OtherSide, envelope: bytes) -> None:
    """Takes the message, and the line goes dead before the receipt."""
    honest(side, envelope)


def is_down(side: OtherSide, envelope: bytes) -> tuple[int, str]:
    return 503, "try later"


def says_nothing(side: OtherSide, envelope: bytes) -> tuple[int, str]:
    return 200, "thank you"


def is_endless(side: OtherSide, envelope: bytes) -> tuple[int, str]:
    return 200, "x" * 200_000


def redirects(side: OtherSide, envelope: bytes) -> tuple[int, str]:
    return 302, ""


def lies_about_the_content(side: OtherSide, envelope: bytes) -> tuple[int, str]:
    ours = keys.own().public
    message = wire.open_(envelope, side.keys, {ours.signing.thumbprint(): ours}.get).message
    return 200, wire.sign_receipt(wire.Receipt(message.id, "0" * 64, True, "", dt.datetime.now(dt.UTC)), side.keys)


def lies_about_the_message(side: OtherSide, envelope: bytes) -> tuple[int, str]:
    return 200, wire.sign_receipt(wire.Receipt(uuid.uuid4(), "0" * 64, True, "", dt.datetime.now(dt.UTC)), side.keys)


def is_someone_else(side: OtherSide, envelope: bytes) -> tuple[int, str]:
    _, token = honest(side, envelope)
    message = side.received.pop()
    impostor = wire.OwnKeys.generate("impostor")
    assert token
    return 200, wire.sign_receipt(wire.Receipt(message.id, message.digest, True, "", dt.datetime.now(dt.UTC)), impostor)


@pytest.mark.parametrize(
    "behave",
    [
        breaks_off,
        is_down,
        says_nothing,
        is_endless,
        redirects,
        lies_about_the_content,
        lies_about_the_message,
        is_someone_else,
    ],
)
def test_without_an_honest_receipt_the_message_is_sent_again(peer: Peer, side: OtherSide, behave: Behaviour) -> None:
    side.behave = behave
    row = delivery.send(peer, KIND, b"hello")
    assert delivery.deliver_due() == 1
    assert sent(row).state in {"waiting", "sent"}
    assert row.last_error
    assert row.receipt == ""
    assert row.next_at > timezone.now()
    assert delivery.deliver_due() == 0
    side.behave = honest
    due_again()
    assert delivery.deliver_due() == 1
    assert sent(row).state == "receipted"
    assert row.attempts == 2
    assert {message.id for message in side.received} == {row.pk}
    assert len({message.digest for message in side.received}) == 1


def test_a_peer_that_is_away_does_not_cost_each_message_its_own_wait(peer: Peer, side: OtherSide) -> None:
    Peer.objects.filter(pk=peer.pk).update(url="http://127.0.0.1:9")
    rows = [delivery.send(peer, KIND, b"hello") for _ in range(5)]
    assert delivery.deliver_due() == 1
    assert sorted(sent(row).attempts for row in rows) == [0, 0, 0, 0, 1]
    Peer.objects.filter(pk=peer.pk).update(url=side.url)  # type: ignore[attr-defined]
    due_again()
    assert delivery.deliver_due() == 5
    assert {sent(row).state for row in rows} == {"receipted"}


def test_after_many_tries_a_message_lies_among_the_undelivered_until_it_is_sent_again(
    peer: Peer, side: OtherSide
) -> None:
    side.behave = is_down
    row = delivery.send(peer, KIND, b"hello")
    with pytest.raises(delivery.NotDead):
        delivery.resend(row.pk, ACTOR)
    for _ in range(sending.ATTEMPTS_MAX):
        due_again()
        delivery.deliver_due()
    assert sent(row).state == "dead"
    assert Event.objects.get(name="delivery.send").outcome == "failed"
    due_again()
    assert delivery.deliver_due() == 0
    side.behave = honest
    assert delivery.resend(row.pk, ACTOR).pk == row.pk
    assert delivery.deliver_due() == 1
    assert sent(row).state == "receipted"


def test_a_refusal_is_final_and_its_repetition_is_a_new_message(peer: Peer, side: OtherSide) -> None:
    side.refuses[KIND] = "their.reason"
    row = delivery.send(peer, KIND, b"hello", attachments=[wire.Attached("a", "b", b"c")])
    delivery.deliver_due()
    assert (sent(row).state, row.last_error) == ("dead", "refused: their.reason")
    assert Event.objects.get(name="delivery.send").outcome == "refused"
    side.refuses.clear()
    again = delivery.resend(row.pk, ACTOR)
    assert again.pk != row.pk
    delivery.deliver_due()
    assert (sent(again).state, side.received[-1].attachments[0].body) == ("receipted", b"c")


def test_an_inactive_peer_gets_nothing(peer: Peer, side: OtherSide) -> None:
    row = delivery.send(peer, KIND, b"hello")
    peer.active = False
    peer.save()
    assert delivery.deliver_due() == 0
    with pytest.raises(delivery.PeerInactive):
        delivery.send(peer, KIND, b"hello")
    assert sent(row).state == "waiting"


def test_a_message_that_no_envelope_holds_is_refused_at_once(peer: Peer) -> None:
    with pytest.raises(wire.TooLarge):
        delivery.send(peer, KIND, b"x" * (wire.CONTENT_BYTES_MAX + 1))


@pytest.mark.django_db(transaction=True)
@pytest.mark.clause("EM-55.1")
@pytest.mark.clause("PO-34.1")
def test_many_threads_deliver_each_message_once_while_the_peer_is_slow(peer: Peer, side: OtherSide) -> None:
    rows = [delivery.send(peer, KIND, str(number).encode()) for number in range(30)]

    def work() -> None:
        try:
            delivery.deliver_due()
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert Counter(message.id for message in side.received) == {row.pk: 1 for row in rows}
    assert Outgoing.objects.filter(state="receipted").count() == 30


def test_an_attempt_whose_worker_died_is_made_again(peer: Peer, side: OtherSide) -> None:
    row = delivery.send(peer, KIND, b"hello")
    assert sending._claim() == row  # and here the worker dies
    assert delivery.deliver_due() == 0
    due_again()
    assert delivery.deliver_due() == 1
    assert sent(row).state == "receipted"


@given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True))
def test_pauses_double_within_bounds(attempts: int, chance: float) -> None:
    pause = sending.pause_seconds(attempts, chance)
    assert 0.5 <= pause <= sending.PAUSE_SECONDS_MAX
    assert pause <= 2.0 ** (attempts - 1) if attempts < 20 else True
    assert sending.pause_seconds(attempts + 1, chance) >= pause


def test_the_database_keeps_no_delivery_without_its_receipt(peer: Peer) -> None:
    row = delivery.send(peer, KIND, b"hello")
    with pytest.raises(IntegrityError), transaction.atomic():
        Outgoing.objects.filter(pk=row.pk).update(state="receipted")


# Incoming


def envelope(side: OtherSide, body: bytes = b"hello", **fields: object) -> tuple[wire.Message, bytes]:
    given = {"id": uuid.uuid4(), "kind": KIND, "body": body, "created_at": dt.datetime.now(dt.UTC)} | fields
    message = wire.Message(**given)  # type: ignore[arg-type]
    return message, wire.seal(message, side.keys, keys.own().public)


def post(data: bytes) -> "tuple[int, str]":
    answer = Client(enforce_csrf_checks=True, raise_request_exception=False).post(
        ADDRESS, data, content_type=wire.CONTENT_TYPE
    )
    return answer.status_code, answer.content.decode()


@pytest.mark.clause("EM-55.10")
@pytest.mark.clause("PO-34.10")
@pytest.mark.clause("PS-14.2")
def test_a_message_is_kept_as_it_came_acted_upon_and_receipted(peer: Peer, side: OtherSide) -> None:
    file = wire.Attached("a.pdf", "application/pdf", b"%PDF")
    message, sealed = envelope(side, filename="x.xml", conversation="c/1", attachments=(file,))
    status, token = post(sealed)
    assert status == 200
    receipt = wire.open_receipt(token, keys.own().public, message.id, message.digest)
    assert receipt.accepted
    row = Incoming.objects.get()
    assert (bytes(row.body), row.filename, row.state, row.receipt) == (b"hello", "x.xml", "accepted", token)
    assert [(one.filename, bytes(one.body)) for one in row.attachments.all()] == [("a.pdf", b"%PDF")]
    assert wire._verified(bytes(row.signed), side.keys.public, wire.BadSignature) == message.to_bytes()
    assert TAKEN == [b"hello"]
    event = Event.objects.get(name="delivery.receive")
    assert (event.actor, event.record_id, event.outcome) == ("their", str(message.id), "succeeded")


def test_a_repetition_gets_the_same_receipt_and_does_nothing(peer: Peer, side: OtherSide) -> None:
    message, sealed = envelope(side)
    answers = {post(sealed), post(sealed), post(wire.seal(message, side.keys, keys.own().public))}
    assert len(answers) == 1
    assert TAKEN == [b"hello"]
    assert Incoming.objects.count() == 1


def test_the_same_id_with_another_content_is_refused(peer: Peer, side: OtherSide) -> None:
    message, sealed = envelope(side)
    assert post(sealed)[0] == 200
    assert post(envelope(side, b"other", id=message.id)[1])[0] == 409
    assert TAKEN == [b"hello"]
    assert Event.objects.filter(name="delivery.receive", outcome="refused").count() == 1


@pytest.mark.django_db(transaction=True)
def test_the_same_message_ten_times_at_once_is_acted_upon_once(peer: Peer, side: OtherSide) -> None:
    sealed = envelope(side)[1]
    answers: list[tuple[int, str]] = []

    def once() -> None:
        try:
            answers.append(post(sealed))
        finally:
            connection.close()

    threads = [threading.Thread(target=once) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(answers) == 10
    assert len(set(answers)) == 1
    assert answers[0][0] == 200
    assert Incoming.objects.count() == 1
    assert Event.objects.filter(name="test.taken").count() == 1


@pytest.mark.django_db
def test_messages_are_taken_in_whatever_order_they_come(peer: Peer, side: OtherSide) -> None:
    sealed = [envelope(side, str(number).encode())[1] for number in range(5)]
    for data in (*reversed(sealed), *sealed):
        assert post(data)[0] == 200
    assert TAKEN == [b"4", b"3", b"2", b"1", b"0"]


def test_what_the_receiver_refuses_is_kept_and_receipted_as_refused(peer: Peer, side: OtherSide) -> None:
    message, sealed = envelope(side, b"wrong")
    first, again = post(sealed), post(sealed)
    assert first == again
    receipt = wire.open_receipt(first[1], keys.own().public, message.id, message.digest)
    assert (receipt.accepted, receipt.reason) == (False, "senim.bad_input: It says nothing.")
    assert Incoming.objects.get().state == "refused"
    assert not Event.objects.filter(name="test.taken").exists()


def test_a_kind_that_nobody_takes_is_receipted_as_refused(peer: Peer, side: OtherSide) -> None:
    message, sealed = envelope(side, kind="test.nonsense")
    receipt = wire.open_receipt(post(sealed)[1], keys.own().public, message.id, message.digest)
    assert (receipt.accepted, receipt.reason) == (False, "delivery.unknown_kind")


@pytest.mark.django_db(transaction=True)
def test_a_failure_of_ours_keeps_nothing_so_that_the_sender_tries_again(peer: Peer, side: OtherSide) -> None:
    sealed = envelope(side, b"crash")[1]
    assert post(sealed)[0] == 500
    assert not Incoming.objects.exists()


@pytest.mark.clause("PS-14.2")
@pytest.mark.parametrize(
    ("forge", "status", "code"),
    [
        (lambda _side, _good: b"rubbish", 400, "delivery.bad_envelope"),
        (lambda _side, good: good[:-8] + b"AAAAAAAA", 400, "delivery.bad_envelope"),
        (
            lambda _side, _good: envelope(OtherSide(wire.OwnKeys.generate("stranger")))[1],
            401,
            "delivery.unknown_sender",
        ),
        (lambda side, _good: forged_signature(side), 401, "delivery.bad_signature"),
        (lambda _side, _good: b"x" * (wire.ENVELOPE_BYTES_MAX + 1), 413, "delivery.too_large"),
    ],
    ids=["rubbish", "changed", "stranger", "forged", "too large"],
)
def test_what_is_not_signed_by_a_peer_is_refused_and_leaves_an_event(
    peer: Peer, side: OtherSide, forge: Callable[[OtherSide, bytes], bytes], status: int, code: str
) -> None:
    answer = post(forge(side, envelope(side)[1]))
    assert (answer[0], code in answer[1]) == (status, True)
    assert not Incoming.objects.exists()
    assert TAKEN == []
    if status != 413:
        event = Event.objects.get(name="delivery.receive")
        assert event.outcome == "refused"
        assert event.reason.startswith(code)


def forged_signature(side: OtherSide) -> bytes:
    """A message that claims a known peer's key, signed by another."""
    impostor = wire.OwnKeys(side.keys.code, wire.OwnKeys.generate("x").signing, side.keys.encryption)
    message = wire.Message(uuid.uuid4(), KIND, b"hello", dt.datetime.now(dt.UTC))
    to = keys.own().encryption.thumbprint()
    header = {"typ": wire.MESSAGE_TYPE, "to": to, "kid": side.keys.signing.thumbprint()}
    signed = impostor.sign(message.to_bytes(), header)
    from joserfc import jwe

    head = {"alg": "ECDH-ES+A256KW", "enc": "A256GCM"}
    return jwe.encrypt_compact(head, signed.encode(), keys.own().public.encryption, registry=wire._JWE).encode()


def test_a_flood_of_rubbish_writes_few_events_and_the_number_of_the_others(
    peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(refusals, "_bound", refusals.Bound(3, lambda: now[0]))
    assert {post(b"rubbish")[0] for _ in range(10)} == {400}
    assert Event.objects.filter(name="delivery.receive").count() == 3
    now[0] = 61.0
    post(b"rubbish")
    counted, latest = Event.objects.filter(name="delivery.receive").order_by("pk")[3:]
    assert (counted.reason, counted.data) == (refusals.TOO_MANY, {"count": 7})
    assert latest.reason.startswith("delivery.bad_envelope")


def test_a_peer_that_is_switched_off_is_a_stranger(peer: Peer, side: OtherSide) -> None:
    peer.active = False
    peer.save()
    assert post(envelope(side)[1])[0] == 401


@pytest.mark.django_db
def test_our_public_keys_are_there_to_fetch(client: Client) -> None:
    jwks = client.get("/delivery/v1/keys").json()
    assert wire.PeerKeys.from_jwks("us", *keys.split(jwks)).signing.thumbprint() == keys.own().signing.thumbprint()
    assert all("d" not in key for key in jwks["keys"])
    assert client.get(ADDRESS).status_code == 405
