"""The Centre over HTTP, as a participant meets it."""

import datetime as dt
import json
import socket
import time
import uuid
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from tests.roles.payments.centre.client import BATCH, SINGLE, Client, Reply, in_thread, transfer, wait_for

from senim.kernel.delivery.signatures import ed25519_signing_key, hmac_signing_key, sign_request
from senim.roles.payments.centre import app, connections, gatherer
from senim.roles.payments.centre.scratch import MadeBank

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="class")
def port(database: str, banks: list[MadeBank]) -> Iterator[int]:
    with in_thread(database) as (port, _):
        yield port


@pytest.fixture
def client(port: int, banks: list[MadeBank]) -> Client:
    return Client(port, banks[0])


def problem(reply: Reply, status: int, code: str, field: str | None = None) -> dict[str, Any]:
    """The reply is this problem, and says what to do."""
    assert (reply.status, reply.headers["content-type"]) == (status, "application/problem+json")
    assert reply.document["code"] == code
    assert reply.document["status"] == status
    if field is not None:
        assert reply.document["field"] == field
    return dict(reply.document)


class TestOperations:
    @pytest.mark.clause("PS-7.4")
    def test_an_operation_is_decided_and_at_once_on_record(
        self, client: Client, banks: list[MadeBank], database: str
    ) -> None:
        before = dt.datetime.now(dt.UTC)
        reply = client.post(transfer(banks[0], banks[1], "12.34"), key="k-1")
        assert reply.status == 200
        answer = reply.document
        assert (answer["id"], answer["status"], answer["reason"], answer["replayed"]) == (
            "k-1",
            "accepted",
            None,
            False,
        )
        with psycopg.connect(database) as connection:
            row = connection.execute(
                "SELECT amount_tiyn, initiated_at, received_at, decided_at, day::text "
                "FROM payments_operation WHERE id = %s",
                (answer["operation_id"],),
            ).fetchone()
            counted = connection.execute(
                "SELECT sum(operations), max(latency_ms) FROM payments_operationminute"
            ).fetchall()
        assert row is not None
        assert (row[0], row[4]) == (1_234, answer["operating_day"])
        assert before <= row[2] <= row[3] <= dt.datetime.now(dt.UTC)
        assert row[3] - row[2] < dt.timedelta(seconds=5)
        assert counted[0][0] >= 1
        assert 0 <= counted[0][1] < 5_000

    def test_a_refusal_is_an_answer(self, client: Client, banks: list[MadeBank]) -> None:
        reply = client.post(transfer(banks[0], banks[1], "999999999.00"))
        assert (reply.status, reply.document["status"], reply.document["reason"]) == (200, "refused", "AM04")

    @pytest.mark.parametrize("algorithm", ["ed25519", "hmac"])
    def test_both_algorithms_sign(self, port: int, banks: list[MadeBank], algorithm: str) -> None:
        client = Client(port, banks[0], getattr(banks[0], algorithm))
        assert client.post(transfer(banks[0], banks[1])).document["status"] == "accepted"

    def test_a_repeat_gets_the_first_answer(self, client: Client, banks: list[MadeBank]) -> None:
        operation = transfer(banks[0], banks[1])
        first, second = client.post(operation, key="again"), client.post(operation, key="again")
        assert second.document == first.document | {"replayed": True}

    def test_another_operation_under_the_key_is_a_conflict(self, client: Client, banks: list[MadeBank]) -> None:
        client.post(transfer(banks[0], banks[1], "1.00"), key="conflict")
        problem(
            client.post(transfer(banks[0], banks[1], "2.00"), key="conflict"),
            422,
            "idempotency_conflict",
            "Idempotency-Key",
        )

    def test_each_operation_of_a_batch_has_its_own_outcome(self, client: Client, banks: list[MadeBank]) -> None:
        client.post(transfer(banks[0], banks[1]), key="taken")
        operations = [
            {"id": "1", **transfer(banks[0], banks[1])},
            {"id": "2", **transfer(banks[0], banks[1], "999999999.00")},
            {"id": "taken", **transfer(banks[0], banks[2])},
            {"id": "1", **transfer(banks[0], banks[1])},
        ]
        answers = client.post_batch(operations).document["operations"]
        assert [(a["id"], a["status"]) for a in answers] == [
            ("1", "accepted"),
            ("2", "refused"),
            ("taken", "conflict"),
            ("1", "accepted"),
        ]
        assert answers[0]["operation_id"] == answers[3]["operation_id"]

    def test_all_kinds(self, client: Client, banks: list[MadeBank]) -> None:
        cases = [
            transfer(banks[0], banks[1], kind="purchase", means="qr"),
            transfer(banks[0], banks[1], kind="top_up", debit_account=None, means="iin"),
            transfer(banks[1], banks[0], kind="cash_withdrawal", credit_account=None),
        ]
        assert [client.post(case).document["status"] for case in cases] == ["accepted"] * 3


class TestMalformed:
    """Nothing is recorded; the field is named (EM-55.3, PO-34.3)."""

    @pytest.mark.clause("EM-55.3")
    @pytest.mark.clause("PO-34.3")
    @pytest.mark.parametrize(
        "field", ["kind", "amount", "currency", "means", "initiated_at", "debit_account", "credit_account"]
    )
    def test_a_missing_mandatory_field_is_named(
        self, client: Client, banks: list[MadeBank], database: str, field: str
    ) -> None:
        operation = transfer(banks[0], banks[1])
        del operation[field]
        said = problem(client.post(operation), 400, "missing_field", f"/{field}")
        assert field in said["detail"]
        assert said["remedy"]
        whole = {"id": "2", **transfer(banks[0], banks[1])}
        problem(client.post_batch([whole, {"id": "1", **operation}]), 400, "missing_field", f"/operations/1/{field}")
        with psycopg.connect(database) as connection:
            assert connection.execute("SELECT count(*) FROM payments_operation").fetchone() == (0,)

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"amount": 12.5}, "/amount"),
            ({"amount": "12.5"}, "/amount"),
            ({"amount": "-1.00"}, "/amount"),
            ({"amount": "1e3"}, "/amount"),
            ({"amount": "１.00"}, "/amount"),
            ({"amount": "1.00\n"}, "/amount"),
            ({"amount": "1" * 16 + ".00"}, "/amount"),
            ({"currency": "tenge"}, "/currency"),
            ({"kind": "gift"}, "/kind"),
            ({"means": "wish"}, "/means"),
            ({"initiated_at": "2026-05-04T10:00:00"}, "/initiated_at"),
            ({"initiated_at": "yesterday"}, "/initiated_at"),
            ({"initiated_at": "0001-01-01T00:00:00+14:00"}, "/initiated_at"),
            ({"end_to_end_id": "x" * 36}, "/end_to_end_id"),
            ({"end_to_end_id": "a\x00b"}, "/end_to_end_id"),
            ({"debit_account": ""}, "/debit_account"),
            ({"debit_account": "K Z"}, "/debit_account"),
            ({"surprise": 1}, "/surprise"),
            ({"kind": "top_up"}, "/debit_account"),
        ],
    )
    def test_a_wrong_field_is_named(
        self, client: Client, banks: list[MadeBank], changes: dict[str, Any], field: str
    ) -> None:
        problem(client.post(transfer(banks[0], banks[1], **changes)), 400, "malformed", field)

    @pytest.mark.parametrize("body", [b"{", b"[]", b"null", b"\xff\xfe", b'{"a":"\xff"}', b'"\\ud800"', b"[" * 100_000])
    def test_what_is_no_operation_is_refused(self, client: Client, body: bytes) -> None:
        problem(client.signed("POST", SINGLE, body, "k"), 400, "malformed")
        problem(client.signed("POST", BATCH, body), 400, "malformed")

    @pytest.mark.parametrize("count", [0, 1_001])
    def test_a_batch_has_its_bounds(self, client: Client, banks: list[MadeBank], count: int) -> None:
        operations = [{"id": str(number), **transfer(banks[0], banks[1])} for number in range(count)]
        problem(client.post_batch(operations), 400, "malformed", "/operations")

    def test_the_key_is_mandatory_and_short(self, client: Client, banks: list[MadeBank]) -> None:
        operation = transfer(banks[0], banks[1])
        problem(client.post(operation, key=""), 400, "missing_header", "Idempotency-Key")
        problem(client.post(operation, key="k" * 65), 400, "malformed", "Idempotency-Key")

    def test_other_media_and_sizes_are_refused(self, client: Client) -> None:
        problem(client.signed("POST", SINGLE, b"{}", "k", Content_Type="text/plain"), 415, "unsupported_media")
        problem(client.signed("POST", SINGLE, b"{}", "k", Content_Encoding="gzip"), 415, "unsupported_media")
        problem(client.signed("POST", BATCH, b" " * (app.BODY_BYTES_MAX + 1)), 413, "too_large")

    def test_other_addresses_and_methods(self, client: Client) -> None:
        problem(client.get("/centre/v1/nothing"), 404, "not_found")
        reply = client.signed("DELETE", SINGLE)
        problem(reply, 405, "method_not_allowed")
        assert reply.headers["allow"] == "GET, POST"


class TestSignatures:
    """401 without a word on what was wrong."""

    def test_every_fault_is_answered_alike(self, client: Client, banks: list[MadeBank]) -> None:
        body = json.dumps(transfer(banks[0], banks[1])).encode()
        right = sign_request(client.key, "POST", SINGLE, body, "k") | {"Content-Type": "application/json"}
        stale = sign_request(client.key, "POST", SINGLE, body, "k", created=int(time.time()) - 301)
        unknown = sign_request(ed25519_signing_key("nobody", bytes(32)), "POST", SINGLE, body, "k")
        unknown_secret = sign_request(hmac_signing_key("nobody", bytes(32)), "POST", SINGLE, body, "k")
        forged = sign_request(ed25519_signing_key(client.key.key_id, bytes(32)), "POST", SINGLE, body, "k")
        uncovered = sign_request(client.key, "POST", SINGLE, body) | {"Idempotency-Key": "k"}
        unsigned = {n: v for n, v in right.items() if not n.startswith("Signature")}
        faults = [
            unsigned,
            right | stale,
            right | unknown,
            right | unknown_secret,
            right | forged,
            right | uncovered,
            right | {"Idempotency-Key": "other"},
            right | {"Signature": "sig1=:AAAA:"},
            right | {"Content-Digest": "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:"},
        ]
        replies = [client.send("POST", SINGLE, body, fault) for fault in faults]
        replies.append(client.send("POST", BATCH, body, right))
        assert {reply.status for reply in replies} == {401}
        assert len({json.dumps(reply.document, sort_keys=True) for reply in replies}) == 1
        assert replies[0].headers["www-authenticate"] == "Signature"
        assert client.send("POST", SINGLE, body, right).status == 200

    def test_a_body_exchanged_on_the_way_is_noticed(self, client: Client, banks: list[MadeBank]) -> None:
        body = json.dumps(transfer(banks[0], banks[1])).encode()
        fields = sign_request(client.key, "POST", SINGLE, body, "k") | {"Content-Type": "application/json"}
        other = body.replace(b"1.00", b"9.00")
        problem(client.send("POST", SINGLE, other, fields), 400, "digest_mismatch", "Content-Digest")

    @pytest.mark.parametrize(
        "change", ["revoked_at = now()", "valid_until = now()", "valid_from = now() + interval '1 hour'"]
    )
    def test_a_key_stops_working_within_a_second_or_two(
        self, client: Client, banks: list[MadeBank], database: str, change: str
    ) -> None:
        assert client.get(SINGLE).status == 200
        set_key(database, client.key.key_id, change)
        wait_for(lambda: client.get(SINGLE).status == 401, seconds=4)
        assert Client(client.port, banks[0], banks[0].hmac).get(SINGLE).status == 200
        set_key(
            database, client.key.key_id, "revoked_at = NULL, valid_until = NULL, valid_from = now() - interval '1 day'"
        )
        wait_for(lambda: client.get(SINGLE).status == 200, seconds=4)

    def test_a_suspended_bank_is_refused_on_record_and_may_still_read(
        self, client: Client, banks: list[MadeBank], database: str
    ) -> None:
        set_state(database, banks[0], "suspended")
        answer = client.post(transfer(banks[0], banks[1])).document
        assert (answer["status"], answer["reason"]) == ("refused", "AG01")
        assert client.get(f"{SINGLE}/{answer['operation_id']}").document["reason"] == "AG01"
        set_state(database, banks[0], "active")


def set_key(database: str, key_id: str, change: str) -> None:
    with psycopg.connect(database) as connection:
        connection.execute(f"UPDATE payments_participantkey SET {change} WHERE key_id = %s", (key_id,))  # type: ignore[arg-type]  # noqa: S608 - the tests' own text


def set_state(database: str, bank: MadeBank, state: str) -> None:
    with psycopg.connect(database) as connection:
        connection.execute("UPDATE payments_participant SET state = %s WHERE id = %s", (state, bank.id))


class TestReading:
    def test_initiator_payer_and_payee_see_it_and_nobody_else(self, port: int, banks: list[MadeBank]) -> None:
        mine, payee, stranger = (Client(port, bank) for bank in banks)
        accepted = mine.post(transfer(banks[0], banks[1], "12.34", end_to_end_id="E2E"), key="k").document
        refused = mine.post(transfer(banks[0], banks[1], "999999999.00")).document
        target = f"{SINGLE}/{accepted['operation_id']}"
        seen = mine.get(target).document
        assert (seen["id"], seen["amount"], seen["end_to_end_id"], seen["kind"]) == ("k", "12.34", "E2E", "transfer")
        assert payee.get(target).document == seen | {"id": None}
        problem(stranger.get(target), 404, "not_found")
        problem(payee.get(f"{SINGLE}/{refused['operation_id']}"), 404, "not_found")
        problem(mine.get(f"{SINGLE}/{uuid.uuid4()}"), 404, "not_found")
        problem(mine.get(f"{SINGLE}/not-an-id"), 404, "not_found")

    @pytest.mark.clause("PS-7.5.4")
    def test_the_participant_and_the_settlement_bank_receive_each_confirmation_once(
        self, port: int, banks: list[MadeBank], database: str
    ) -> None:
        """Read on by the last mark; only what was authorised is there, with its times."""
        with psycopg.connect(database) as connection:
            connection.execute("UPDATE payments_participant SET role = 'settlement_bank' WHERE id = %s", (banks[2].id,))
        mine, payee, settlement = (Client(port, bank) for bank in banks)
        before = pages(mine, limit=100)
        accepted = [one["operation_id"] for one in before]
        accepted += [mine.post(transfer(banks[0], banks[1])).document["operation_id"] for _ in range(5)]
        mine.post(transfer(banks[0], banks[1], "999999999.00"))
        time.sleep(1.2)  # the role of the settlement bank is read anew each second
        for reader in (mine, payee, settlement):
            seen = pages(reader, limit=2)
            assert [one["operation_id"] for one in seen] == accepted
            assert all(one["received_at"] <= one["decided_at"] for one in seen)
            assert {one["status"] for one in seen} == {"accepted"}

    @pytest.mark.parametrize("query", ["after=1", "limit=0", "limit=1001", "limit=x", "other=1", "after"])
    def test_a_wrong_question_is_refused(self, client: Client, query: str) -> None:
        problem(client.get(f"{SINGLE}?{query}"), 400, "malformed")


def pages(reader: Client, limit: int) -> list[dict[str, Any]]:
    """All that the reader finds, page by page."""
    found: list[dict[str, Any]] = []
    mark = ""
    for _ in range(20):
        page = reader.get(f"{SINGLE}?limit={limit}{mark}").document
        found += page["operations"]
        mark = f"&after={page['after']}"
        if not page["more"]:
            return found
    raise AssertionError("the pages do not end")


class TestBounds:
    def test_a_full_queue_says_when_to_come_again(
        self, client: Client, banks: list[MadeBank], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(gatherer, "QUEUE_OPERATIONS_MAX", 1)
        operations = [{"id": str(number), **transfer(banks[0], banks[1])} for number in range(2)]
        reply = client.post_batch(operations)
        problem(reply, 503, "busy")
        assert int(reply.headers["retry-after"]) > 0
        assert client.post(transfer(banks[0], banks[1])).status == 200

    def test_a_slow_body_is_not_waited_for(self, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(app, "BODY_TIMEOUT_SECONDS", 0.2)
        with socket.create_connection(("127.0.0.1", client.port), timeout=5) as slow:
            head = (
                f"POST {SINGLE} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n{{"
            )
            slow.sendall(head.encode())
            assert b" 408 " in slow.recv(4_096)

    @pytest.mark.parametrize("words", [b"", b"P", f"POST {SINGLE} HTTP/1.1\r\nHost: x\r\n".encode()])
    def test_who_does_not_say_what_it_wants_is_hung_up_on(
        self, client: Client, monkeypatch: pytest.MonkeyPatch, words: bytes
    ) -> None:
        monkeypatch.setattr(connections, "HEAD_TIMEOUT_SECONDS", 0.2)
        with socket.create_connection(("127.0.0.1", client.port), timeout=5) as silent:
            silent.sendall(words)
            assert silent.recv(4_096) == b""

    def test_a_kept_connection_outlives_the_wait_for_a_head(
        self, client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(connections, "HEAD_TIMEOUT_SECONDS", 0.2)
        ask = b"GET /centre/v1/health HTTP/1.1\r\nHost: x\r\n\r\n"
        with socket.create_connection(("127.0.0.1", client.port), timeout=5) as kept:
            for _ in range(2):
                kept.sendall(ask)
                answer = b""
                while not answer.endswith(b"}"):
                    answer += kept.recv(4_096)
                assert answer.startswith(b"HTTP/1.1 200")
                time.sleep(0.4)
            kept.sendall(ask[:9])
            assert kept.recv(4_096) == b"", "half a head is waited for no longer than on a new connection"

    def test_who_hangs_up_finds_the_answer_by_the_key(
        self, client: Client, banks: list[MadeBank], database: str
    ) -> None:
        body = json.dumps(transfer(banks[0], banks[1])).encode()
        fields = sign_request(client.key, "POST", SINGLE, body, "hasty") | {
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            "Host": "x",
        }
        head = f"POST {SINGLE} HTTP/1.1\r\n" + "".join(f"{n}: {v}\r\n" for n, v in fields.items()) + "\r\n"
        with socket.create_connection(("127.0.0.1", client.port), timeout=5) as hasty:
            hasty.sendall(head.encode() + body)
        with psycopg.connect(database, autocommit=True) as connection:
            query = "SELECT count(*) FROM payments_operation WHERE key = 'hasty'"
            wait_for(lambda: connection.execute(query).fetchone() == (1,))
        assert client.send("POST", SINGLE, body, fields).document["replayed"] is True

    def test_no_open_day_is_said(
        self, client: Client, banks: list[MadeBank], database: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(gatherer, "DAY_WAIT_SECONDS", 0.2)
        with psycopg.connect(database) as connection:
            connection.execute("UPDATE payments_operatingday SET state = 'closed'")
        operation = transfer(banks[0], banks[1])
        problem(client.post(operation, key="k"), 503, "no_open_day")
        with psycopg.connect(database) as connection:
            connection.execute("UPDATE payments_operatingday SET state = 'open'")
        assert client.post(operation, key="k").document["replayed"] is False

    def test_health_and_description_need_no_signature(self, client: Client) -> None:
        health = client.send("GET", "/centre/v1/health")
        assert (health.status, health.document) == (200, {"status": "ok", "queued_operations": 0})
        description = client.send("GET", "/centre/v1/openapi.json")
        assert description.document["openapi"] == "3.1.0"
