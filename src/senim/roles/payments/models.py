"""What the payment system stores. Money is in tiyn, moments are in UTC, days are operating days in Asia/Almaty."""

import uuid
from collections.abc import Mapping
from enum import IntEnum
from typing import TypeVar

from django.conf import settings
from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from senim.roles.payments.rules.kinds import DayState, FileState, InstructionState, Kind, Means, Source, Status

Numbered = TypeVar("Numbered", bound=IntEnum)


def choices(labels: Mapping[Numbered, object]) -> list[tuple[int, object]]:
    """Turn a table of labels into Django choices."""
    return [(int(value), label) for value, label in labels.items()]


KIND_LABELS = {
    Kind.TOP_UP: _("Top-up"),
    Kind.TRANSFER: _("Transfer"),
    Kind.PURCHASE: _("Purchase"),
    Kind.CASH_WITHDRAWAL: _("Cash withdrawal"),
}
MEANS_LABELS = {Means.DETAILS: _("Account details"), Means.QR: _("QR code"), Means.IIN: _("IIN")}
SOURCE_LABELS = {Source.SINGLE: _("Single request"), Source.BATCH: _("Batch request"), Source.FILE: _("File")}
STATUS_LABELS = {Status.ACCEPTED: _("Carried out"), Status.REFUSED: _("Refused")}


class Participant(models.Model):
    """A second-tier bank (or licensed organisation) that has concluded the Contract (PS-1.1.21)."""

    class Role(models.TextChoices):
        """What the participant does in the System."""

        SETTLEMENT_BANK = "settlement_bank", _("Settlement bank")
        BANK = "bank", _("Bank")

    class State(models.TextChoices):
        """Life of a participation; only ``ACTIVE`` may initiate operations."""

        PROPOSED = "proposed", _("Awaiting approval")
        ACTIVE = "active", _("Active")
        SUSPENDED = "suspended", _("Suspended")
        REFUSED = "refused", _("Application refused")

    code = models.CharField(_("Code"), max_length=8, unique=True, editable=False, help_text=_("Given automatically."))
    role = models.CharField(_("Role"), max_length=16, choices=Role.choices, default=Role.BANK)
    state = models.CharField(_("State"), max_length=16, choices=State.choices, default=State.PROPOSED)
    name_kk = models.CharField(_("Name in Kazakh"), max_length=140)
    name_ru = models.CharField(_("Name in Russian"), max_length=140)
    name_en = models.CharField(_("Name in English"), max_length=140)
    bin = models.CharField(_("BIN"), max_length=12)
    bic = models.CharField(_("BIC"), max_length=11)
    bank_code = models.CharField(_("Bank code in IBAN"), max_length=3)
    contract_number = models.CharField(_("Contract number"), max_length=40)
    contract_date = models.DateField(_("Contract date"))
    settlement_iban = models.CharField(_("Account at the settlement bank"), max_length=34)
    collateral_tiyn = models.BigIntegerField(_("Collateral"))
    net_debit_cap_tiyn = models.BigIntegerField(_("Net debit cap"))
    peer_code = models.CharField(_("Delivery peer"), max_length=40, blank=True)
    registered_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", null=True)
    registered_at = models.DateTimeField(_("Registered"), auto_now_add=True)
    approved_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", null=True)
    approved_at = models.DateTimeField(_("Approved"), null=True)

    class Meta:
        verbose_name = _("participant")
        verbose_name_plural = _("participants")
        constraints = (
            # A refused application stays on record and takes nothing away from a mended one.
            *(
                models.UniqueConstraint(fields=[name], condition=~Q(state="refused"), name=f"participant_{name}_once")
                for name in ("bin", "bic", "bank_code")
            ),
            models.UniqueConstraint(
                fields=["role"],
                condition=Q(role="settlement_bank") & ~Q(state="refused"),
                name="participant_one_settlement_bank",
            ),
            models.CheckConstraint(condition=Q(collateral_tiyn__gte=0), name="participant_collateral_not_negative"),
            models.CheckConstraint(
                condition=Q(net_debit_cap_tiyn__gte=0) & Q(net_debit_cap_tiyn__lte=F("collateral_tiyn")),
                name="participant_cap_within_collateral",
            ),
            models.CheckConstraint(
                condition=Q(approved_by__isnull=True) | ~Q(approved_by=F("registered_by")),
                name="participant_approved_by_another",
            ),
        )

    def __str__(self) -> str:
        return self.name

    @property
    def name(self) -> str:
        """The name in the language of the reader."""
        from django.utils.translation import get_language

        language = (get_language() or "kk")[:2]
        return {"ru": self.name_ru, "en": self.name_en}.get(language, self.name_kk)


class ParticipantKey(models.Model):
    """A key with which a participant signs its requests (RFC 9421). A shared secret is kept encrypted."""

    class Algorithm(models.TextChoices):
        """Names as in RFC 9421, section 6.2.2."""

        ED25519 = "ed25519", "ed25519"
        HMAC_SHA256 = "hmac-sha256", "hmac-sha256"

    key_id = models.CharField(max_length=64, unique=True)
    participant = models.ForeignKey(Participant, models.PROTECT, related_name="keys")
    algorithm = models.CharField(max_length=16, choices=Algorithm.choices)
    material = models.BinaryField(
        help_text="Raw ed25519 public key (32 bytes), or the HMAC secret encrypted with the deployment's key."
    )
    valid_from = models.DateTimeField()
    valid_until = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.key_id


class CustomerAccount(models.Model):
    """A client's bank account kept in the System (PS-1.1.19). Its ledger account id is its IBAN, packed."""

    iban = models.CharField(_("IBAN"), max_length=34, unique=True)
    participant = models.ForeignKey(Participant, models.PROTECT, related_name="accounts", verbose_name=_("Bank"))
    holder_name = models.CharField(_("Holder"), max_length=140)
    opened_at = models.DateTimeField(_("Opened"))
    closed_at = models.DateTimeField(_("Closed"), null=True)

    class Meta:
        verbose_name = _("customer account")
        verbose_name_plural = _("customer accounts")

    def __str__(self) -> str:
        return self.iban


class OperatingDay(models.Model):
    """One operating day, 00:00 to 24:00 in Almaty (PS-1.1.10), and how far its close has come."""

    day = models.DateField(_("Operating day"), primary_key=True)
    state = models.CharField(
        _("State"), max_length=12, choices=[(s.value, s.value) for s in DayState], default=DayState.OPEN.value
    )
    opened_at = models.DateTimeField(_("Opened"))
    closed_at = models.DateTimeField(_("Closed"), null=True)
    closed_by = models.CharField(
        _("Closed by"), max_length=140, blank=True, help_text=_("Names of two people, or the schedule.")
    )
    netted_at = models.DateTimeField(null=True)
    instructed_at = models.DateTimeField(null=True)
    settled_at = models.DateTimeField(null=True)
    reported_at = models.DateTimeField(null=True)
    operation_count = models.BigIntegerField(default=0)
    operation_amount_tiyn = models.BigIntegerField(default=0)
    trouble = models.TextField(_("What stops the close"), blank=True)

    class Meta:
        verbose_name = _("operating day")
        verbose_name_plural = _("operating days")
        constraints = (
            models.CheckConstraint(condition=Q(state__in=[s.value for s in DayState]), name="operatingday_state_known"),
        )

    def __str__(self) -> str:
        return self.day.isoformat()


class Operation(models.Model):
    """One operation with its decision: the row is also its event (EM-55.11 at volume) and its payment document.

    Written by the authorisation centre with COPY, never changed. Foreign keys carry no database constraint: the centre
    checks them itself against what it holds in memory, and a row lock per operation would cost more than the operation.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    day = models.DateField(_("Operating day"))
    kind = models.SmallIntegerField(_("Kind"), choices=choices(KIND_LABELS))
    means = models.SmallIntegerField(_("Made by"), choices=choices(MEANS_LABELS))
    source = models.SmallIntegerField(_("Came as"), choices=choices(SOURCE_LABELS))
    status = models.SmallIntegerField(_("Outcome"), choices=choices(STATUS_LABELS))
    reason = models.CharField(_("Reason"), max_length=4, blank=True)
    amount_tiyn = models.BigIntegerField(_("Amount"))
    initiator = models.ForeignKey(
        Participant,
        models.DO_NOTHING,
        related_name="+",
        db_constraint=False,
        db_index=False,
        verbose_name=_("Initiator"),
    )
    payer = models.ForeignKey(
        Participant,
        models.DO_NOTHING,
        related_name="+",
        db_constraint=False,
        db_index=False,
        null=True,
        verbose_name=_("Payer's bank"),
    )
    payee = models.ForeignKey(
        Participant,
        models.DO_NOTHING,
        related_name="+",
        db_constraint=False,
        db_index=False,
        null=True,
        verbose_name=_("Payee's bank"),
    )
    debit_account = models.CharField(_("Debit account"), max_length=34, blank=True)
    credit_account = models.CharField(_("Credit account"), max_length=34, blank=True)
    key = models.CharField(_("Participant's key"), max_length=64, db_collation="C")
    request_digest = models.BinaryField(max_length=16)
    end_to_end_id = models.CharField(_("End-to-end id"), max_length=35, blank=True)
    initiated_at = models.DateTimeField(_("Initiated"))
    received_at = models.DateTimeField(_("Reached the Centre"))
    decided_at = models.DateTimeField(_("Decided"))
    file_id = models.UUIDField(null=True)
    file_index = models.IntegerField(null=True)

    class Meta:
        verbose_name = _("operation")
        verbose_name_plural = _("operations")
        constraints = (models.UniqueConstraint(fields=["initiator", "key"], name="operation_key_once"),)
        indexes = (
            models.Index(fields=["file_id", "file_index"], name="operation_file", condition=Q(file_id__isnull=False)),
            # Days lie one behind another on the disk: a few kilobytes let a day's netting skip all other days, and cost
            # the Centre nothing, where a B-tree would have to be kept at every operation.
            BrinIndex(fields=["day"], name="operation_day_brin", pages_per_range=64, autosummarize=True),
        )

    def __str__(self) -> str:
        return str(self.id)


class OperationMinute(models.Model):
    """Operations of one minute, counted in the transaction that recorded them; feeds the dashboard."""

    pk = models.CompositePrimaryKey("day", "minute", "kind", "status", "reason")
    day = models.DateField()
    minute = models.SmallIntegerField(help_text="Minute of the clock day of arrival in Almaty, 0 to 1439.")
    kind = models.SmallIntegerField()
    status = models.SmallIntegerField()
    reason = models.CharField(max_length=4)
    operations = models.BigIntegerField()
    amount_tiyn = models.BigIntegerField()
    latency_ms = models.BigIntegerField(default=0, help_text="Sum of milliseconds from arrival to decision.")

    def __str__(self) -> str:
        return f"{self.day} {self.minute}"


class Obligation(models.Model):
    """What one bank owes another from the operations of a day, before offsetting (PS-7.7)."""

    day = models.ForeignKey(OperatingDay, models.PROTECT, db_column="day", related_name="obligations")
    payer = models.ForeignKey(Participant, models.PROTECT, related_name="+")
    payee = models.ForeignKey(Participant, models.PROTECT, related_name="+")
    operations = models.BigIntegerField()
    amount_tiyn = models.BigIntegerField()

    class Meta:
        constraints = (models.UniqueConstraint(fields=["day", "payer", "payee"], name="obligation_once"),)

    def __str__(self) -> str:
        return f"{self.day_id} {self.payer_id}>{self.payee_id}"


class Position(models.Model):
    """A participant's net of a day: positive is to be received, negative to be paid. All sum to zero (PS-7.7)."""

    day = models.ForeignKey(OperatingDay, models.PROTECT, db_column="day", related_name="positions")
    participant = models.ForeignKey(Participant, models.PROTECT, related_name="+")
    owed_tiyn = models.BigIntegerField(help_text="What others owe it.")
    owes_tiyn = models.BigIntegerField(help_text="What it owes others.")
    net_tiyn = models.BigIntegerField()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["day", "participant"], name="position_once"),
            models.CheckConstraint(
                condition=Q(net_tiyn=F("owed_tiyn") - F("owes_tiyn")), name="position_net_is_difference"
            ),
        )

    def __str__(self) -> str:
        return f"{self.day_id} {self.participant_id}"


class SettlementInstruction(models.Model):
    """One line of the settlement message (pacs.009) to the settlement bank, and its answer (pacs.002)."""

    day = models.ForeignKey(OperatingDay, models.PROTECT, db_column="day", related_name="instructions")
    participant = models.ForeignKey(Participant, models.PROTECT, related_name="+")
    net_tiyn = models.BigIntegerField(help_text="As in the position: negative is debited, positive is credited.")
    attempt = models.SmallIntegerField(default=1)
    message_id = models.CharField(_("Message"), max_length=35)
    instruction_id = models.CharField(_("Instruction"), max_length=35, unique=True)
    state = models.CharField(
        max_length=12, choices=[(s.value, s.value) for s in InstructionState], default=InstructionState.SENT.value
    )
    reason = models.CharField(_("Reason"), max_length=4, blank=True)
    sent_at = models.DateTimeField(_("Sent"))
    answered_at = models.DateTimeField(_("Answered"), null=True)
    posting_id = models.UUIDField(null=True, help_text="The final ledger transfer.")

    class Meta:
        constraints = (models.UniqueConstraint(fields=["day", "participant", "attempt"], name="instruction_once"),)

    def __str__(self) -> str:
        return self.instruction_id


class MessageFile(models.Model):
    """An ISO 20022 message, received or made here, kept byte for byte in the document store."""

    class Direction(models.TextChoices):
        """Seen from this deployment."""

        IN = "in", _("Received")
        OUT = "out", _("Sent")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    direction = models.CharField(_("Direction"), max_length=3, choices=Direction.choices)
    message_type = models.CharField(_("Message"), max_length=20, blank=True)
    message_id = models.CharField(_("Message id"), max_length=35, blank=True)
    participant = models.ForeignKey(Participant, models.PROTECT, related_name="files", verbose_name=_("Participant"))
    name = models.CharField(_("File name"), max_length=255, blank=True)
    sha256 = models.CharField(max_length=64)
    size_bytes = models.BigIntegerField(_("Size"))
    state = models.CharField(
        max_length=12, choices=[(s.value, s.value) for s in FileState], default=FileState.RECEIVED.value
    )
    received_at = models.DateTimeField(_("Time"))
    finished_at = models.DateTimeField(null=True)
    day = models.DateField(_("Operating day"), null=True)
    transactions_total = models.IntegerField(default=0)
    transactions_done = models.IntegerField(default=0)
    accepted = models.IntegerField(default=0)
    refused = models.IntegerField(default=0)
    amount_tiyn = models.BigIntegerField(default=0)
    reason = models.CharField(_("Reason"), max_length=4, blank=True)
    problem = models.TextField(_("Problem"), blank=True)
    problem_line = models.IntegerField(_("Line"), null=True)
    problem_path = models.CharField(_("Place"), max_length=255, blank=True)
    answers = models.ForeignKey("self", models.PROTECT, null=True, related_name="answered_by")

    class Meta:
        verbose_name = _("file")
        verbose_name_plural = _("files")
        indexes = (models.Index(fields=["-received_at"], name="messagefile_received"),)
        constraints = (
            # A MsgId is spent only by a file that was recorded: a refused file may be mended and sent again.
            models.UniqueConstraint(
                fields=["participant", "direction", "message_id"],
                condition=Q(state__in=["recording", "recorded"]),
                name="messagefile_id_once",
            ),
        )

    def __str__(self) -> str:
        return self.name or self.message_id


class ParticipantReport(models.Model):
    """A report of a day made for a participant and its sending (PS-9.3.7)."""

    day = models.ForeignKey(OperatingDay, models.PROTECT, db_column="day", related_name="reports")
    participant = models.ForeignKey(Participant, models.PROTECT, related_name="reports")
    form = models.CharField(max_length=8, choices=[("pdf", "PDF"), ("xlsx", "XLSX")])
    sha256 = models.CharField(max_length=64)
    size_bytes = models.BigIntegerField()
    made_at = models.DateTimeField()
    delivery_id = models.UUIDField(null=True, help_text="The outgoing message that carries it.")

    class Meta:
        constraints = (models.UniqueConstraint(fields=["day", "participant", "form"], name="report_once"),)

    def __str__(self) -> str:
        return f"{self.day_id} {self.participant_id} {self.form}"
