"""A small market for tests of the day's close: three banks, a settlement bank, accounts with money, operations.

Each test gets a database of its own, cloned from the run's migrated one, so it may commit, kill processes in the middle
of a transaction, and leave rows that are never removed.
"""

import datetime as dt
import random
import uuid
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from senim import ledger
from senim.kernel import events
from senim.kernel.access.models import Staff
from senim.kernel.delivery.models import Incoming, Peer
from senim.kernel.values import almaty, iban
from senim.ledger.types import Transfer
from senim.roles.payments.messages import pacs002, pacs009
from senim.roles.payments.messages.values import Agent, Original, Status, StatusReport, TransactionStatus
from senim.roles.payments.models import MessageFile, OperatingDay, Participant
from senim.roles.payments.rules.accounts import Purpose, day_number, participant_account_id
from senim.roles.payments.rules.authorisation import Answer, OperationRequest
from senim.roles.payments.rules.kinds import LEDGER_KZT, Kind, Means, Source, TransferCode
from senim.roles.payments.services import accounts, day, settlement
from senim.roles.payments.services.authorise import authorise
from senim.sandbox import world

JOB = events.Actor.job("test")
CUSTOMERS = 4
OPENING_TIYN = 100_000_000_00


@dataclass
class Market:
    """What a test works with. ``people`` are IBANs by the bank's slug."""

    day: dt.date
    banks: dict[str, Participant]
    settlement_bank: Participant
    peer: Peer
    maker: Staff
    checker: Staff
    people: dict[str, list[str]]

    def authorise(self, *operations: tuple[Kind, str, int], at: dt.datetime | None = None) -> list[Answer]:
        """Carry out operations given as (kind, "from>to", tiyn); sides are slugs with an optional customer number."""
        requests = [self.request(*operation) for operation in operations]
        return self.send(requests, at)

    def send(self, requests: list[OperationRequest], at: dt.datetime | None = None) -> list[Answer]:
        with transaction.atomic():
            return authorise(accounts.raw_connection(), requests, received_at=at or self.noon(), source=Source.BATCH)

    def request(self, kind: Kind, sides: str, amount_tiyn: int) -> OperationRequest:
        payer, payee = sides.split(">")
        initiator = payee if kind == Kind.CASH_WITHDRAWAL else payer
        return OperationRequest(
            id=uuid.uuid4().hex,
            kind=kind,
            amount_tiyn=amount_tiyn,
            currency="KZT",
            means=Means.DETAILS,
            initiated_at=self.noon(),
            initiator_id=self.banks[initiator.split("/")[0]].pk,
            debit_account="" if kind == Kind.TOP_UP else self.account(payer),
            credit_account="" if kind == Kind.CASH_WITHDRAWAL else self.account(payee),
            end_to_end_id="E2E",
        )

    def account(self, side: str) -> str:
        slug, _, number = side.partition("/")
        return self.people[slug][int(number or 0)]

    def noon(self) -> dt.datetime:
        """A moment within the day."""
        return almaty.begins_at(self.day) + dt.timedelta(hours=12)

    def ended(self) -> dt.datetime:
        """A moment right after the day."""
        return almaty.ends_at(self.day) + dt.timedelta(seconds=1)

    def busy(self, count: int, seed: int = 1) -> None:
        """A day of operations by chance, between all banks and of all kinds."""
        chance = random.Random(seed)
        slugs = list(self.banks)
        kinds = [Kind.PURCHASE, Kind.PURCHASE, Kind.TRANSFER, Kind.TOP_UP, Kind.CASH_WITHDRAWAL]
        requests = []
        for _ in range(count):
            payer, payee = chance.choice(slugs), chance.choice(slugs)
            sides = f"{payer}/{chance.randrange(CUSTOMERS - 1)}>{payee}/{CUSTOMERS - 1}"
            requests.append(self.request(chance.choice(kinds), sides, chance.randrange(1, 5_000_000)))
        self.send(requests)

    def close(self) -> None:
        """Close the day as its schedule does, without carrying it on."""
        day.close_due(self.ended(), "00:00", JOB)

    def sent_messages(self) -> list[MessageFile]:
        """Settlement messages sent so far, oldest first."""
        return list(MessageFile.objects.filter(direction="out").order_by("received_at"))

    def answer(
        self,
        refused: dict[str, str] | None = None,
        *,
        silent: tuple[str, ...] = (),
        message: MessageFile | None = None,
        answer_id: str = "",
    ) -> Incoming:
        """Let the settlement bank answer its last message: ACSC but for participants ``refused`` (code: reason)."""
        from senim.kernel.documents import store

        kept = message or self.sent_messages()[-1]
        instructions = pacs009.read(store.read(kept.sha256)).instructions
        statuses = []
        for each in instructions:
            code = each.instruction_id.rpartition("-")[2]
            if code in silent:
                continue
            reason = (refused or {}).get(code, "")
            word = TransactionStatus.REJECTED if reason else TransactionStatus.SETTLED
            statuses.append(Status(word, reason, instruction_id=each.instruction_id))
        report = StatusReport(
            message_id=answer_id or f"ANS-{uuid.uuid4().hex[:20]}",
            created_at=timezone.now(),
            sender=Agent(bic=self.settlement_bank.bic),
            receiver=Agent(name="Senim"),
            original=Original(kept.message_id, pacs009.DEFINITION),
            group_status=None,
        )
        return self.deliver(pacs002.render(report, statuses))

    def deliver(self, body: bytes, peer: Peer | None = None) -> Incoming:
        """Give a message to the receiving service, as delivery does: in one transaction with its row."""
        with transaction.atomic():
            incoming = Incoming.objects.create(
                peer=peer or self.peer,
                message_id=uuid.uuid4(),
                kind=pacs002.DEFINITION,
                filename="answer.xml",
                body=body,
                signed=b"-",
                digest="0" * 64,
                received_at=timezone.now(),
                state=Incoming.State.ACCEPTED,
                receipt="-",
            )
            settlement.receive(incoming)
        return incoming

    def clearing_net(self, slug: str) -> int:
        """What is on the bank's clearing account beside its cap: positive when others owe it."""
        bank = self.banks[slug]
        number = participant_account_id(bank.bank_code, Purpose.CLEARING)
        with transaction.atomic():
            [account] = ledger.lookup_accounts(accounts.raw_connection(), [number])
        return account.debits_posted - account.credits_posted - bank.net_debit_cap_tiyn

    def mirror(self, slug: str) -> int:
        """What the mirror of the bank's account at the settlement bank has lost (positive) or gained."""
        number = participant_account_id(self.banks[slug].bank_code, Purpose.SETTLEMENT)
        with transaction.atomic():
            [account] = ledger.lookup_accounts(accounts.raw_connection(), [number])
        return account.credits_posted - account.debits_posted


def make_market(operating_day: dt.date | None = None) -> Market:
    """Build the market in the database that Django now points at."""
    open_day = operating_day or almaty.operating_day(timezone.now())
    OperatingDay.objects.create(day=open_day, opened_at=almaty.begins_at(open_day))
    settlement_bank = _participant(world.SETTLEMENT_BANK, Participant.Role.SETTLEMENT_BANK)
    banks = {bank.slug: _participant(bank, Participant.Role.BANK) for bank in world.BANKS}
    people = {bank.slug: _customers(banks[bank.slug]) for bank in world.BANKS}
    return Market(
        day=open_day,
        banks=banks,
        settlement_bank=settlement_bank,
        peer=Peer.objects.get(code=world.SETTLEMENT_BANK.slug),
        maker=_staff("maker", "Мәкер Тоғай", "duty_officer"),
        checker=_staff("checker", "Тексер Самал", "controller"),
        people=people,
    )


def _participant(bank: world.Bank, role: Participant.Role) -> Participant:
    participant = Participant.objects.create(
        code=f"{int(bank.bank_code):06}",
        role=role,
        state=Participant.State.ACTIVE,
        name_kk=bank.name_kk,
        name_ru=bank.name_ru,
        name_en=bank.name_en,
        bin=bank.bin,
        bic=bank.bic,
        bank_code=bank.bank_code,
        contract_number="1",
        contract_date=dt.date(2026, 1, 1),
        settlement_iban=bank.settlement_account,
        collateral_tiyn=bank.collateral_tiyn,
        net_debit_cap_tiyn=bank.net_debit_cap_tiyn,
        peer_code=bank.slug,
    )
    Peer.objects.create(
        code=bank.slug,
        name=bank.name_kk,
        url="http://127.0.0.1:9",
        signing_jwk={},
        encryption_jwk={},
        signing_kid=bank.slug,
    )
    with transaction.atomic():
        accounts.open_participant_accounts(participant)
    return participant


def _customers(bank: Participant) -> list[str]:
    numbers = [iban.make(bank.bank_code, f"TST{number:010d}") for number in range(CUSTOMERS)]
    accounts.open_customer_accounts(bank, [(number, "Сынақ") for number in numbers], JOB)
    cash = participant_account_id(bank.bank_code, Purpose.CASH)
    openings = [
        Transfer(
            id=uuid.uuid4().int,
            debit_account_id=cash,
            credit_account_id=iban.account_id(number),
            amount=OPENING_TIYN,
            ledger=LEDGER_KZT,
            code=TransferCode.OPENING_BALANCE,
        )
        for number in numbers
    ]
    with transaction.atomic():
        assert ledger.post(accounts.raw_connection(), openings).all_ok
    return numbers


def _staff(login: str, full_name: str, role: str) -> Staff:
    return Staff.objects.create(login=login, full_name=full_name, roles=[role], must_change_password=False)


def post_behind_the_operations(market: Market, slug: str, amount_tiyn: int) -> None:
    """Move a clearing account without an operation: what the cross-check has to find."""
    hub = participant_account_id(market.banks[slug].bank_code, Purpose.CASH)
    wrong = Transfer(
        id=uuid.uuid4().int,
        debit_account_id=participant_account_id(market.banks[slug].bank_code, Purpose.CLEARING),
        credit_account_id=hub,
        amount=amount_tiyn,
        ledger=LEDGER_KZT,
        code=TransferCode.POSITION,
        user_data_32=day_number(market.day),
    )
    with transaction.atomic():
        assert ledger.post(accounts.raw_connection(), [wrong]).all_ok


def rows(sql: str) -> list[tuple[Any, ...]]:
    """The rows of a query."""
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return list(cursor.fetchall())
