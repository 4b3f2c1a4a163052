"""Two banks with clients and money, and files to send in: what the tests of files share."""

import datetime as dt
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO

from django.db import transaction
from django.utils import timezone

from senim.kernel import events
from senim.kernel.values import almaty, iban
from senim.roles.payments.messages import pacs008
from senim.roles.payments.models import MessageFile, Participant
from senim.roles.payments.rules.authorisation import OperationRequest
from senim.roles.payments.rules.kinds import Kind, Means, Source
from senim.roles.payments.services import accounts, files
from senim.roles.payments.services.authorise import authorise

ACTOR = events.Actor.job("tests")
CAP_TIYN = 10**12
FUNDS_TIYN = 1_000_000


@dataclass
class Market:
    """Bank A with three clients and their money, bank B with three clients; the third of each has a closed account."""

    a: Participant
    b: Participant
    of_a: list[str]
    of_b: list[str]

    def payment(self, number: int = 0, **changes: object) -> pacs008.Payment:
        """A payment of 1.00 from A's first client to B's first, with identifications of its own."""
        values: dict[str, object] = {
            "end_to_end_id": f"E2E-{number}",
            "transaction_id": f"TX-{number}",
            "amount_tiyn": 100,
            "debtor_name": "Айгүл Серікқызы",
            "debtor_account": self.of_a[0],
            "debtor_bic": self.a.bic,
            "creditor_name": "Данияр Ахметұлы",
            "creditor_account": self.of_b[0],
            "creditor_bic": self.b.bic,
        }
        return pacs008.Payment(**(values | changes))  # type: ignore[arg-type]  # a test's shorthand

    def file(
        self, payments: Sequence[pacs008.Payment], message_id: str = "MSG-1", date: dt.date | None = None
    ) -> bytes:
        """A file of bank A."""
        out, now = BytesIO(), timezone.now()
        pacs008.make_pacs008(
            out,
            payments,
            message_id=message_id,
            sender_bic=self.a.bic,
            created_at=now,
            settlement_date=date or almaty.operating_day(now),
        )
        return out.getvalue()

    def send(self, content: bytes, sender: Participant | None = None) -> MessageFile:
        """Send a file in and import it."""
        with transaction.atomic():
            received = files.keep_file(sender or self.a, "file.xml", BytesIO(content), actor=ACTOR)
        return files.import_file(received.pk)


def bank(number: int) -> Participant:
    """An active bank with its ledger accounts."""
    code = f"{900 + number}"
    participant = Participant.objects.create(
        code=f"00{code}0",
        role=Participant.Role.BANK,
        state=Participant.State.ACTIVE,
        name_kk=f"{number}-банк",
        name_ru=f"Банк {number}",
        name_en=f"Bank {number}",
        bin=f"99014000000{number}",
        bic=f"BNK{'ABC'[number]}KZKA",
        bank_code=code,
        contract_number=str(number),
        contract_date=dt.date(2026, 1, 5),
        settlement_iban=iban.make("125", f"{number:013d}"),
        collateral_tiyn=CAP_TIYN,
        net_debit_cap_tiyn=CAP_TIYN,
    )
    accounts.open_participant_accounts(participant)
    return participant


def clients(participant: Participant) -> list[str]:
    """Three accounts of a bank, of which the last is closed."""
    numbers = [iban.make(participant.bank_code, f"{number:013d}") for number in range(3)]
    accounts.open_customer_accounts(participant, [(number, "Client") for number in numbers], ACTOR)
    accounts.close_customer_account(numbers[2], ACTOR)
    return numbers


def top_up(participant: Participant, number: str, amount_tiyn: int) -> None:
    """Put money into an account."""
    now = timezone.now()
    request = OperationRequest(
        id=uuid.uuid4().hex,
        kind=Kind.TOP_UP,
        amount_tiyn=amount_tiyn,
        currency="KZT",
        means=Means.DETAILS,
        initiated_at=now,
        initiator_id=participant.pk,
        credit_account=number,
    )
    [answer] = authorise(accounts.raw_connection(), [request], received_at=now, source=Source.SINGLE)
    assert answer.accepted
