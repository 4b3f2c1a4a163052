"""The first start makes the market through the services that people use; any later start only what is missing."""

import json
import stat
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from senim import ledger
from senim.kernel.access.models import Staff
from senim.kernel.access.services import sign_in
from senim.kernel.delivery.models import Peer
from senim.kernel.values import iban
from senim.roles.payments.models import CustomerAccount, OperatingDay, Participant, ParticipantKey
from senim.roles.payments.services import accounts
from senim.sandbox import credentials, prepare, world
from senim.sandbox.layout import Layout
from senim.sandbox.simulators.office import Settings

pytestmark = pytest.mark.django_db
CUSTOMERS = 300


@pytest.fixture(autouse=True)
def cheap_passwords(settings: Any) -> None:
    """Passwords are made hard to guess at a cost that these tests need not pay six times each."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


def make(root: Path, port: int = 18_000) -> Layout:
    layout = Layout(root, port)
    prepare.prepare(
        layout,
        address=f"http://localhost:{port}",
        operator_url=f"http://127.0.0.1:{port}",
        centre_url=f"http://127.0.0.1:{port + 1}",
        customers=CUSTOMERS,
        options={"pace": 2.0, "traffic": False},
    )
    return layout


def counts() -> dict[str, int]:
    """How much of everything there is."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*), coalesce(sum(amount), 0) FROM ledger_transfer WHERE code = 13")
        openings = cursor.fetchone()
    assert openings is not None
    kept: list[Any] = [Staff, Participant, ParticipantKey, CustomerAccount, Peer, OperatingDay]
    return {model.__name__: model.objects.count() for model in kept} | {
        "openings": openings[0],
        "sum": int(openings[1]),
    }


def test_the_market_is_made_once(own_database: str, tmp_path: Path) -> None:
    make(tmp_path)
    first = counts()
    assert first["Participant"] == first["Peer"] == 4
    assert first["ParticipantKey"] == 3
    assert first["CustomerAccount"] == CUSTOMERS
    make(tmp_path)
    assert counts() == first


def test_participants_are_registered_by_one_and_approved_by_another(own_database: str, tmp_path: Path) -> None:
    make(tmp_path)
    for participant in Participant.objects.all():
        assert participant.state == Participant.State.ACTIVE
        assert participant.registered_by != participant.approved_by


def test_balances_are_those_of_the_invented_world_and_closed_accounts_are_closed(
    own_database: str, tmp_path: Path
) -> None:
    make(tmp_path)
    people = [one for bank in world.BANKS for one in world.customers(bank, CUSTOMERS * bank.share // 100)]
    with transaction.atomic():
        kept = ledger.lookup_accounts(accounts.raw_connection(), [iban.account_id(one.iban) for one in people])
    assert [account.credits_posted - account.debits_posted for account in kept] == [one.opening_tiyn for one in people]
    assert {a.iban for a in CustomerAccount.objects.exclude(closed_at=None)} == {p.iban for p in people if p.is_closed}


def test_credentials_open_the_door_and_only_their_owner_reads_them(own_database: str, tmp_path: Path) -> None:
    layout = make(tmp_path)
    passwords = credentials.read(layout.credentials)
    assert stat.S_IMODE(layout.credentials.stat().st_mode) == 0o600
    assert len(set(passwords.values())) == len(credentials.STAFF)
    for person in credentials.STAFF:
        staff = sign_in(person.login, passwords[person.login])
        assert staff.must_change_password == person.is_new
        assert staff.roles == [person.role]


def test_a_lost_credentials_file_is_made_anew_and_opens_the_door(own_database: str, tmp_path: Path) -> None:
    layout = make(tmp_path)
    before = credentials.read(layout.credentials)
    layout.credentials.unlink()
    make(tmp_path)
    after = credentials.read(layout.credentials)
    assert set(before.values()).isdisjoint(after.values())
    assert sign_in("kezekshi", after["kezekshi"]).login == "kezekshi"


@pytest.mark.parametrize("broken", ["_participant", "_key", "_customers", "_write_json"])
def test_a_first_start_that_broke_off_is_finished_by_the_next(
    own_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    usual, calls = getattr(prepare, broken), []

    def break_off(*args: Any) -> Any:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return usual(*args)

    monkeypatch.setattr(prepare, broken, break_off)
    with pytest.raises(KeyboardInterrupt):
        make(tmp_path)
    monkeypatch.setattr(prepare, broken, usual)
    make(tmp_path)
    assert counts()["CustomerAccount"] == CUSTOMERS
    assert Participant.objects.filter(state=Participant.State.ACTIVE).count() == 4


def test_another_port_is_told_to_everybody(own_database: str, tmp_path: Path) -> None:
    make(tmp_path)
    layout = make(tmp_path, port=19_000)
    assert {peer.url for peer in Peer.objects.all()} == {f"http://127.0.0.1:{port}" for port in range(19_010, 19_014)}
    for bank in (*world.BANKS, world.SETTLEMENT_BANK):
        settings = Settings.read(layout.folder(bank))
        assert settings.port == layout.port_of(bank)
        assert settings.operator_url == "http://127.0.0.1:19000"


def test_banks_know_only_their_own_private_keys(own_database: str, tmp_path: Path) -> None:
    layout = make(tmp_path)
    for bank in world.BANKS:
        text = (layout.folder(bank) / "office.json").read_text(encoding="utf-8")
        assert all("d" not in key for key in json.loads(text)["operator_keys"]["keys"])
        private = layout.folder(bank) / "keys" / "centre.ed25519"
        assert stat.S_IMODE(private.stat().st_mode) == 0o600
    assert OperatingDay.objects.get().day == timezone.localdate()
