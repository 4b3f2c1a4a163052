"""An example market as rows, for pages to show: what a page must say is written row by row, and posted to the ledger.

Everything is fictitious. The random numbers are seeded: the same rows each time.
"""

import datetime as dt
import math
import random
import uuid
from dataclasses import dataclass, field
from functools import cache

from django.contrib.auth.hashers import make_password
from django.db import connection
from django.utils import timezone

from senim.kernel.access.models import Staff
from senim.kernel.access.roles import ADMINISTRATOR, AUDITOR, CONTROLLER, DUTY_OFFICER
from senim.kernel.approvals.models import Approval
from senim.kernel.delivery.models import Incoming, Outgoing, Peer
from senim.kernel.values import almaty, iban
from senim.roles.payments.models import (
    CustomerAccount,
    MessageFile,
    Obligation,
    OperatingDay,
    Operation,
    OperationMinute,
    Participant,
    ParticipantKey,
    ParticipantReport,
    Position,
    SettlementInstruction,
)
from senim.roles.payments.rules.kinds import DayState, FileState, InstructionState, Kind, Means, Source, Status

PASSWORD = "alma-tau-7-qar-barys"
KAZAKH, RUSSIAN, ENGLISH = 0, 1, 2
BANKS = (
    ("settlement_bank", "101", "Негіз банкі", "Банк «Негіз»", "Negiz Bank"),
    ("bank", "201", "Астау банкі", "Банк «Астау»", "Astau Bank"),
    ("bank", "202", "Дала банкі", "Банк «Дала»", "Dala Bank"),
    ("bank", "203", "Жайлау банкі", "Банк «Жайлау»", "Zhailau Bank"),
    ("bank", "204", "Тұмар банкі", "Банк «Тұмар»", "Tumar Bank"),
)
PEOPLE = (
    ("admin", "Әлия Сәбит", ADMINISTRATOR),
    ("duty", "Ерлан Мұрат", DUTY_OFFICER),
    ("controller", "Дана Серік", CONTROLLER),
    ("auditor", "Тимур Қанат", AUDITOR),
)
HOLDERS = ("Айгерим Н.", "Бауыржан Т.", "Гүлнар О.", "Данияр Қ.", "Жанна Ә.", "Олжас Б.", "Сәуле М.", "Қуаныш Р.")
REASONS = ("AM04", "AM04", "AM04", "AC03", "AC04", "AM23", "AG01")
SECONDS_IN_MINUTE = 60


@dataclass
class Market:
    """What was made, by name."""

    staff: dict[str, Staff] = field(default_factory=dict)
    banks: list[Participant] = field(default_factory=list)
    accounts: list[CustomerAccount] = field(default_factory=list)
    today: OperatingDay = field(default_factory=OperatingDay)
    yesterday: OperatingDay = field(default_factory=OperatingDay)
    operations: list[Operation] = field(default_factory=list)
    file: MessageFile = field(default_factory=MessageFile)
    approval: Approval = field(default_factory=Approval)


def bin_of(number: int) -> str:
    """A BIN with the right check digit, from a small number."""
    from senim.kernel.values.bin_iin import check_digit

    body = f"05014{number:06d}"
    digit = check_digit(body)
    return bin_of(number + 7) if digit is None else f"{body}{digit}"


@cache
def password_hash() -> str:
    """The hash of the one password: argon2 is slow on purpose, and once is enough."""
    return make_password(PASSWORD)


def people() -> dict[str, Staff]:
    """One person of each role, all with the same password, already changed."""
    made = {}
    for login, name, role in PEOPLE:
        person = Staff(login=login, full_name=name, roles=[role], must_change_password=False, language="kk")
        person.password = password_hash()
        person.password_changed_at = timezone.now()
        person.save()
        made[login] = person
    return made


def banks(staff: dict[str, Staff]) -> list[Participant]:
    """A settlement bank and four banks, approved, each with a key and a peer."""
    from senim.roles.payments.services import accounts as ledger_accounts

    made = []
    for number, (role, code, *names) in enumerate(BANKS, start=1):
        bank = Participant.objects.create(
            code=f"{1000 + number}",
            role=role,
            state=Participant.State.ACTIVE,
            name_kk=names[KAZAKH],
            name_ru=names[RUSSIAN],
            name_en=names[ENGLISH],
            bin=bin_of(number),
            bic=f"{names[ENGLISH][:4].upper()}KZKA",
            bank_code=code,
            contract_number=f"2026/{number:02d}",
            contract_date=dt.date(2026, 1, 12),
            settlement_iban=iban.make("101", f"{number:013d}"),
            collateral_tiyn=500_000_000_000 * number,
            net_debit_cap_tiyn=300_000_000_000 * number,
            registered_by=staff["duty"],
            approved_by=staff["controller"],
            approved_at=timezone.now(),
            peer_code=names[ENGLISH].split()[0].lower(),
        )
        ParticipantKey.objects.create(
            key_id=f"{bank.peer_code}-2026-1",
            participant=bank,
            algorithm="ed25519",
            material=bytes(32),
            valid_from=timezone.now(),
        )
        ledger_accounts.open_participant_accounts(bank)
        made.append(bank)
    return made


def accounts(made: list[Participant]) -> list[CustomerAccount]:
    """Eight accounts at each bank that has clients."""
    return CustomerAccount.objects.bulk_create(
        CustomerAccount(
            iban=iban.make(bank.bank_code, f"{index + 1:013d}"),
            participant=bank,
            holder_name=holder,
            opened_at=timezone.now(),
        )
        for bank in made[1:]
        for index, holder in enumerate(HOLDERS)
    )


def time_ordered_id(moment: dt.datetime, count: int) -> uuid.UUID:
    """A version 7 UUID, as the Centre gives."""
    milliseconds = int(moment.timestamp() * 1000)
    return uuid.UUID(int=milliseconds << 80 | 7 << 76 | 2 << 62 | count)


def operation(market: Market, chance: random.Random, moment: dt.datetime, count: int, day: dt.date) -> Operation:
    """One operation of the example traffic."""
    kind = chance.choice(
        [Kind.TRANSFER, Kind.TRANSFER, Kind.PURCHASE, Kind.PURCHASE, Kind.TOP_UP, Kind.CASH_WITHDRAWAL]
    )
    debit, credit = chance.sample(market.accounts, 2)
    payer, payee = debit.participant, credit.participant
    refused = chance.random() < 0.06
    initiator = payer if kind in {Kind.TRANSFER, Kind.PURCHASE} else chance.choice(market.banks[1:])
    return Operation(
        id=time_ordered_id(moment, count),
        day=day,
        kind=kind,
        means=chance.choice(list(Means)),
        source=chance.choice([Source.SINGLE, Source.SINGLE, Source.BATCH, Source.FILE]),
        status=Status.REFUSED if refused else Status.ACCEPTED,
        reason=chance.choice(REASONS) if refused else "",
        amount_tiyn=chance.choice([459_000, 2_500_000, 10_000_000, 1_200_000, 7_845_050, 99_900])
        * chance.randint(1, 9),
        initiator=initiator,
        payer=initiator if kind == Kind.TOP_UP else payer,
        payee=initiator if kind == Kind.CASH_WITHDRAWAL else payee,
        debit_account="" if kind == Kind.TOP_UP else debit.iban,
        credit_account="" if kind == Kind.CASH_WITHDRAWAL else credit.iban,
        key=f"op-{day:%m%d}-{count:06d}",
        request_digest=bytes(16),
        end_to_end_id=f"E2E-{count:06d}",
        initiated_at=moment - dt.timedelta(milliseconds=240),
        received_at=moment,
        decided_at=moment + dt.timedelta(milliseconds=chance.randint(3, 19)),
    )


def minutes(day: dt.date, until: int, scale: float, chance: random.Random, step: int) -> None:
    """A day's shape: quiet nights, a peak past noon, another in the evening."""
    rows = []
    for minute in range(0, until, step):
        hour = minute / 60
        shape = 0.08 + 0.9 * math.exp(-(((hour - 13) / 3.4) ** 2)) + 0.6 * math.exp(-(((hour - 19) / 2.2) ** 2))
        count = max(1, int(scale * shape * chance.uniform(0.93, 1.07)))
        rows.append(
            OperationMinute(
                day=day,
                minute=minute,
                kind=Kind.TRANSFER,
                status=Status.ACCEPTED,
                reason="",
                operations=count,
                amount_tiyn=count * 2_990_400,
                latency_ms=count * 9,
            )
        )
        for weight, reason in ((0.006, "AM04"), (0.0022, "AC03"), (0.0011, "AM23"), (0.0006, "AC04")):
            refused = int(count * weight + chance.random())
            if refused:
                rows.append(
                    OperationMinute(
                        day=day,
                        minute=minute,
                        kind=Kind.TRANSFER,
                        status=Status.REFUSED,
                        reason=reason,
                        operations=refused,
                        amount_tiyn=refused * 1_000_000,
                        latency_ms=refused * 5,
                    )
                )
    OperationMinute.objects.bulk_create(rows)


def closed_day(market: Market, day: dt.date) -> OperatingDay:
    """A day that was closed, netted and answered, with one instruction refused."""
    begun = almaty.begins_at(day)
    end = begun + dt.timedelta(days=1)
    row = OperatingDay.objects.create(
        day=day,
        state=DayState.INSTRUCTED,
        opened_at=begun,
        closed_at=end,
        closed_by="schedule",
        netted_at=end + dt.timedelta(seconds=4),
        instructed_at=end + dt.timedelta(seconds=5),
        operation_count=1_233_870,
        operation_amount_tiyn=3_689_764_848_000,
    )
    clients = market.banks[1:]
    owed = {
        (a.pk, b.pk): (37 * i + 11 * j + 5) * 1_000_000_00
        for i, a in enumerate(clients)
        for j, b in enumerate(clients)
        if a != b
    }
    Obligation.objects.bulk_create(
        Obligation(day=row, payer_id=a, payee_id=b, operations=amount // 2_990_400, amount_tiyn=amount)
        for (a, b), amount in owed.items()
    )
    for number, bank in enumerate(clients):
        gets = sum(amount for (_a, b), amount in owed.items() if b == bank.pk)
        pays = sum(amount for (a, _b), amount in owed.items() if a == bank.pk)
        Position.objects.create(day=row, participant=bank, owed_tiyn=gets, owes_tiyn=pays, net_tiyn=gets - pays)
        refused = number == 2
        SettlementInstruction.objects.create(
            day=row,
            participant=bank,
            net_tiyn=gets - pays,
            message_id=f"STL-{day:%Y%m%d}-1",
            instruction_id=f"STL-{day:%Y%m%d}-1-{bank.code}",
            state=InstructionState.REFUSED if refused else InstructionState.SETTLED,
            reason="AM04" if refused else "",
            sent_at=end + dt.timedelta(seconds=5),
            answered_at=end + dt.timedelta(seconds=9),
        )
    return row


def traffic(market: Market, count: int) -> None:
    """Operations of today until now, the latest a second ago."""
    chance = random.Random(7)
    now = timezone.now()
    before = [market.yesterday.day, market.yesterday.day - dt.timedelta(days=1)]
    made = [
        operation(market, chance, now - dt.timedelta(seconds=(count - index) * 0.7), index, market.today.day)
        for index in range(count)
    ]
    # Every tenth belongs to a day before: journals of days have parts to add up.
    for number, one in enumerate(made[::10]):
        one.day = before[number % 2]
    market.operations = Operation.objects.bulk_create(made)


def messages(market: Market) -> None:
    """Messages in every state, a file recorded and a file refused, reports."""
    now = timezone.now()
    peers = [
        Peer.objects.create(
            code=bank.peer_code,
            name=bank.name_en,
            url="http://127.0.0.1:9",
            signing_jwk={},
            encryption_jwk={},
            signing_kid=bank.peer_code,
        )
        for bank in market.banks
    ]
    sent = [
        Outgoing.objects.create(
            peer=peers[0] if number == 0 else peers[number],
            kind="pacs.009.001.08" if number == 0 else "report",
            filename=f"{number}.xml",
            body=b"<x/>" * 100,
            state=state,
            attempts=1 + 4 * (state == "dead"),
            created_at=now,
            next_at=now,
            finished_at=now if state in {"receipted", "dead"} else None,
            last_error="connection refused" if state == "dead" else "",
            receipt="x" if state == "receipted" else "",
        )
        for number, state in enumerate(["receipted", "receipted", "sent", "dead", "waiting"])
    ]
    Incoming.objects.create(
        peer=peers[0],
        message_id=uuid.uuid4(),
        kind="pacs.002.001.10",
        filename="answer.xml",
        body=b"<x/>",
        signed=b"",
        digest="0" * 64,
        received_at=now,
        state="accepted",
        receipt="x",
    )
    for bank, message in zip(market.banks[1:], sent[1:], strict=True):
        for form in ("pdf", "xlsx"):
            ParticipantReport.objects.create(
                day=market.yesterday,
                participant=bank,
                form=form,
                sha256="0" * 64,
                size_bytes=48_200,
                made_at=now,
                delivery_id=message.pk,
            )
    market.file = MessageFile.objects.create(
        direction="in",
        message_type="pacs.008.001.08",
        message_id="DALA-20261120-001",
        participant=market.banks[2],
        name="dala-salaries.xml",
        sha256="a" * 64,
        size_bytes=6_480_220,
        state=FileState.RECORDED,
        received_at=now,
        finished_at=now,
        day=market.today.day,
        transactions_total=10_000,
        transactions_done=10_000,
        accepted=9_962,
        refused=38,
        amount_tiyn=298_860_000_000,
    )
    MessageFile.objects.create(
        direction="out",
        message_type="pacs.002.001.10",
        message_id="SENIM-20261120-9",
        participant=market.banks[2],
        name="dala-salaries.pacs.002.xml",
        sha256="b" * 64,
        size_bytes=2_480_220,
        state=FileState.RECORDED,
        received_at=now,
        answers=market.file,
    )
    MessageFile.objects.create(
        direction="in",
        message_type="pacs.008.001.08",
        participant=market.banks[3],
        name="zhailau-pensions.xml",
        sha256="c" * 64,
        size_bytes=81_920,
        state=FileState.REFUSED,
        received_at=now,
        finished_at=now,
        reason="AM10",
        problem_line=1_284,
        problem_path="/Document/FIToFICstmrCdtTrf/GrpHdr/CtrlSum",
    )


def application(market: Market) -> None:
    """A participant that waits for a second person, as the register's service leaves it."""
    number, name = len(BANKS) + 1, "Қайнар банкі"
    given = {
        "role": "bank",
        "name_kk": name,
        "name_ru": "Банк «Кайнар»",
        "name_en": "Kainar Bank",
        "bin": bin_of(900),
        "bic": "KAINKZKA",
        "bank_code": "205",
        "contract_number": "2026/06",
        "settlement_iban": iban.make("101", f"{number:013d}"),
        "collateral_tiyn": 500_000_000_00,
        "net_debit_cap_tiyn": 300_000_000_00,
        "peer_code": "",
    }
    Participant.objects.create(
        code="1006", contract_date=dt.date(2026, 11, 2), registered_by=market.staff["duty"], **given
    )
    market.approval = Approval.objects.create(
        kind="payments.participant",
        record_type="participant",
        record_id="1006",
        title="Kainar Bank",
        maker=market.staff["duty"],
        made_at=timezone.now(),
        payload={**given, "contract_date": "2026-11-02", "code": "1006"},
    )


def events_of(market: Market) -> None:
    """A few events of people and programs."""
    from senim.kernel import events

    events.note("payments.participant.register", events.Actor.staff(market.staff["duty"]), ("participant", "1006"))
    events.note(
        "payments.day.close", events.Actor.job("close_day"), ("operating_day", market.yesterday.day.isoformat())
    )
    events.note(
        "payments.day.net",
        events.Actor.job("close_day"),
        ("operating_day", market.yesterday.day.isoformat()),
        data={"participants": 4},
    )
    events.note(
        "access.refuse",
        events.Actor.staff(market.staff["auditor"]),
        ("page", "/console/staff/"),
        outcome="refused",
        reason="access.denied",
    )


def build(*, operations: int = 200, minute_step: int = 30) -> Market:
    """The whole market. Each ``minute_step``-th minute of the days has traffic: 1 for pictures, more for speed."""
    today = almaty.operating_day(timezone.now())
    market = Market(staff=people())
    market.banks = banks(market.staff)
    market.accounts = accounts(market.banks)
    for account in market.accounts:
        account.participant = next(bank for bank in market.banks if bank.pk == account.participant_id)
    market.today = OperatingDay.objects.create(day=today, opened_at=almaty.begins_at(today))
    market.yesterday = closed_day(market, today - dt.timedelta(days=1))
    chance = random.Random(3)
    now = timezone.now().astimezone(almaty.ALMATY)
    minutes(market.yesterday.day, 1440, 900, chance, minute_step)
    minutes(today, now.hour * SECONDS_IN_MINUTE + now.minute, 980, chance, minute_step)
    traffic(market, operations)
    messages(market)
    application(market)
    events_of(market)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE payments_operation")
    return market
