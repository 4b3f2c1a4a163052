"""The Centre's parts where the whole does not reach them: the helper process, second tries, the bench."""

import json
import os
import signal
from collections.abc import Sequence
from typing import Any

import psycopg
import pytest
from django.test import RequestFactory
from tests.roles.payments.centre.client import Client, in_thread, transfer, wait_for

from senim.kernel.delivery.signatures import VerificationKey
from senim.roles.payments.centre import bench, gatherer, load
from senim.roles.payments.centre.baseline import measure_baseline
from senim.roles.payments.centre.checking import Check, check_all
from senim.roles.payments.centre.keyring import KeyRing
from senim.roles.payments.centre.proxy import pass_through
from senim.roles.payments.centre.scratch import MadeBank
from senim.roles.payments.rules.authorisation import Answer
from senim.roles.payments.services.authorise import LedgerDisagrees, authorise_arrivals
from senim.roles.payments.services.recording import Arrival

pytestmark = pytest.mark.django_db


def test_checks_are_answered_one_by_one(banks: list[MadeBank]) -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    private = Ed25519PrivateKey.generate()
    public = private.public_key().public_bytes_raw()
    right = Check(public, private.sign(b"base"), b"base")
    assert check_all([right, Check(public, right.signature, b"other"), right]) == b"\1\0\1"


def test_without_its_helper_the_centre_goes_on(database: str, banks: list[MadeBank]) -> None:
    """Killed, the helper is started anew; until then the Centre checks signatures itself."""
    with in_thread(database) as (port, application):
        client = Client(port, banks[0])
        before = application._checking._process
        assert before is not None
        os.kill(before.pid, signal.SIGKILL)
        assert client.post(transfer(banks[0], banks[1])).status == 200
        wait_for(lambda: application._checking._process is not before and application._checking._transport is not None)
        assert client.post(transfer(banks[0], banks[1])).status == 200


def test_one_unreadable_key_does_not_shut_out_the_others(database: str, banks: list[MadeBank]) -> None:
    def cannot(_sealed: bytes) -> bytes:
        raise ValueError("another deployment's")

    keys = KeyRing(cannot)
    with psycopg.connect(database) as connection:
        keys.load(connection)
    assert len(keys) == len(banks)
    assert all(isinstance(key, VerificationKey) and key.algorithm == "ed25519" for key in keys._keys.values())


class TestSecondTries:
    """What others do at the same time costs another try, and what is wrong with one request is its own."""

    def test_a_batch_that_met_another_writer_runs_again(
        self, database: str, banks: list[MadeBank], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        failures = [LedgerDisagrees(), psycopg.errors.DeadlockDetected(), psycopg.errors.SerializationFailure()]

        def sometimes(connection: Any, arrivals: Sequence[Arrival], **how: bool) -> list[Answer]:
            answers = authorise_arrivals(connection, arrivals, **how)
            if failures:
                raise failures.pop()
            return answers

        monkeypatch.setattr(gatherer, "authorise_arrivals", sometimes)
        with in_thread(database) as (port, _):
            reply = Client(port, banks[0]).post(transfer(banks[0], banks[1]))
        assert (reply.status, reply.document["replayed"], failures) == (200, False, [])

    def test_it_does_not_try_for_ever(
        self, database: str, banks: list[MadeBank], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def never(connection: Any, arrivals: Sequence[Arrival], **how: bool) -> list[Answer]:
            raise LedgerDisagrees

        monkeypatch.setattr(gatherer, "authorise_arrivals", never)
        with in_thread(database) as (port, _):
            reply = Client(port, banks[0]).post(transfer(banks[0], banks[1]))
        assert (reply.status, reply.document["code"]) == (503, "busy")

    def test_what_breaks_one_request_does_not_break_its_neighbours(
        self, database: str, banks: list[MadeBank], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def poisoned(connection: Any, arrivals: Sequence[Arrival], **how: bool) -> list[Answer]:
            if any(arrived.request.id == "poison" for arrived in arrivals):
                raise ZeroDivisionError
            return authorise_arrivals(connection, arrivals, **how)

        monkeypatch.setattr(gatherer, "authorise_arrivals", poisoned)
        from concurrent.futures import ThreadPoolExecutor

        names = ["poison", *(f"good-{number}" for number in range(12))]
        with in_thread(database) as (port, _), ThreadPoolExecutor(13) as pool:
            client = Client(port, banks[0], banks[0].hmac)
            replies = list(pool.map(lambda name: client.post(transfer(banks[0], banks[1]), key=name), names))
        assert [reply.status for reply in replies] == [500] + [200] * 12
        with psycopg.connect(database) as connection:
            assert connection.execute("SELECT count(*) FROM payments_operation WHERE key = 'poison'").fetchone() == (0,)


class TestRepeats:
    def test_a_repeat_is_found_without_looking_for_it(
        self, database: str, banks: list[MadeBank], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(gatherer, "LOOK_UP_BATCHES", 0)
        looked: list[bool] = []

        def watched(connection: Any, arrivals: Sequence[Arrival], *, looks_up_keys: bool) -> list[Answer]:
            looked.append(looks_up_keys)
            return authorise_arrivals(connection, arrivals, looks_up_keys=looks_up_keys)

        monkeypatch.setattr(gatherer, "authorise_arrivals", watched)
        with in_thread(database) as (port, _):
            monkeypatch.setattr(gatherer, "LOOK_UP_BATCHES", 1)
            client = Client(port, banks[0])
            first = client.post(transfer(banks[0], banks[1]), key="once")
            again = client.post(transfer(banks[0], banks[1]), key="once")
            other = client.post(transfer(banks[0], banks[1], "9.99"), key="once")
            fresh = client.post(transfer(banks[0], banks[1]), key="another")
        assert (first.document["replayed"], again.document["replayed"]) == (False, True)
        assert again.document["operation_id"] == first.document["operation_id"]
        assert (other.status, fresh.document["replayed"]) == (422, False)
        assert looked == [False, False, True, False, True, False]
        with psycopg.connect(database) as connection:
            assert connection.execute("SELECT count(*) FROM payments_operation WHERE key = 'once'").fetchone() == (1,)


class TestBench:
    @pytest.mark.parametrize(("algorithm", "batch"), [("ed25519", 1), ("hmac-sha256", 20)])
    def test_its_load_is_answered_and_counted(
        self, database: str, banks: list[MadeBank], algorithm: str, batch: int
    ) -> None:
        with in_thread(database) as (port, _):
            measured = bench.send(port, banks, algorithm, batch, connections=3, seconds=0.4)
        assert measured.failed == 0
        assert measured.operations == len(measured.latencies) * batch > 0
        with psycopg.connect(database) as connection:
            recorded = connection.execute("SELECT count(*) FROM payments_operation").fetchone()
        assert recorded is not None
        assert recorded[0] >= measured.operations

    def test_its_baseline_does_the_work_and_leaves_nothing(self, database: str) -> None:
        assert measure_baseline(database, seconds=0.2) > 0
        with psycopg.connect(database) as connection:
            left = connection.execute("SELECT count(*) FROM pg_tables WHERE tablename LIKE 'baseline%'").fetchone()
        assert left == (0,)

    def test_its_requests_are_what_participants_send(self, banks: list[MadeBank]) -> None:
        from senim.roles.payments.centre.scratch import raw_keys
        from senim.roles.payments.centre.wire import read_batch

        order = load.Order(1, "ed25519", 5, 1, 1.0, 0, "run", [raw_keys(bank, n) for n, bank in enumerate(banks, 1)])
        head, _, body = next(load.requests(order)).partition(b"\r\n\r\n")
        assert head.startswith(b"POST /centre/v1/operations:batch HTTP/1.1\r\n")
        assert len(read_batch(body, 1)) == len(json.loads(body)["operations"]) == 5


def test_a_query_that_no_uri_can_hold_is_refused_on_the_web_port() -> None:
    request = RequestFactory().get("/centre/v1/operations")
    request.META["QUERY_STRING"] = "after=\u00d0"
    answer = pass_through(request)
    assert (answer.status_code, json.loads(answer.content)["code"]) == (400, "malformed")
