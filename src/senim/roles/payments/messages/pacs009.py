"""pacs.009, financial institution credit transfer: the settlement message to the settlement bank.

Written as version 08, the one in use between institutions; read in every version that pyiso20022 knows. Who sends and
who receives stands in the group header (InstgAgt, InstdAgt); each line is a CdtTrfTxInf between two institutions.
"""

from typing import Any, Final

from senim.kernel.values.money import CURRENCY, BadAmount, parse_amount, to_decimal
from senim.roles.payments.messages import fields, schema, stream, writing
from senim.roles.payments.messages.errors import MessageRefused, Place, SchemaViolated, TotalsDiffer, UnknownMessage
from senim.roles.payments.messages.parts import Parts
from senim.roles.payments.messages.values import Agent, Group, Instruction, SettlementMessage

DEFINITION: Final = "pacs.009.001.08"
ELEMENT: Final = "FICdtTrf"
INSTRUCTIONS_MAX: Final = 100_000


def render(message: SettlementMessage) -> bytes:
    """The message as bytes, valid by its schema (checked here: it moves money).

    Raises:
        SchemaViolated: an identification, account or amount that the standard does not allow was given.
    """
    content = "".join(
        (
            writing.open_document(DEFINITION, ELEMENT),
            _group_header(message),
            *(_instruction(each, message) for each in message.instructions),
            writing.close_document(ELEMENT),
        )
    ).encode()
    schema.validate(DEFINITION, content)
    return content


def _group_header(message: SettlementMessage) -> str:
    total = sum(each.amount_tiyn for each in message.instructions)
    return writing.wrap(
        "GrpHdr",
        writing.tag("MsgId", message.message_id),
        writing.tag("CreDtTm", writing.moment(message.created_at)),
        writing.tag("NbOfTxs", str(len(message.instructions))),
        writing.tag("CtrlSum", to_decimal(total)),
        f'<TtlIntrBkSttlmAmt Ccy="{CURRENCY}">{to_decimal(total)}</TtlIntrBkSttlmAmt>',
        writing.tag("IntrBkSttlmDt", message.settlement_date.isoformat()),
        writing.wrap("SttlmInf", writing.tag("SttlmMtd", "CLRG")),
        writing.agent("InstgAgt", message.sender),
        writing.agent("InstdAgt", message.receiver),
    )


def _instruction(each: Instruction, message: SettlementMessage) -> str:
    return writing.wrap(
        "CdtTrfTxInf",
        writing.wrap(
            "PmtId",
            writing.tag("InstrId", each.instruction_id),
            writing.tag("EndToEndId", each.end_to_end_id),
            writing.tag("TxId", each.transaction_id),
        ),
        f'<IntrBkSttlmAmt Ccy="{CURRENCY}">{to_decimal(each.amount_tiyn)}</IntrBkSttlmAmt>',
        writing.tag("IntrBkSttlmDt", message.settlement_date.isoformat()),
        writing.agent("Dbtr", each.debtor),
        writing.iban_account("DbtrAcct", each.debtor_account),
        writing.agent("Cdtr", each.creditor),
        writing.iban_account("CdtrAcct", each.creditor_account),
    )


def read(source: stream.Readable | bytes) -> SettlementMessage:
    """Read a settlement message in tenge, checking its totals.

    Raises:
        MessageRefused: FF01 not a valid pacs.009; AM18 or AM10 its totals differ; AM03 another currency; AM02 an amount
            finer than a tiyn.
    """
    layout, whole = stream.begin(stream.readable(source))
    if layout.kind != "pacs.009":
        raise UnknownMessage("The file is not a pacs.009.", definition=layout.document)
    group: Group | None = None
    instructions: list[Instruction] = []
    for element in Parts(whole, layout):
        name = stream.local_name(element)
        if name == "GrpHdr":
            group = fields.group(element)
        elif name == "CdtTrfTxInf":
            instructions.append(_read_instruction(element, len(instructions) + 1))
            if len(instructions) > INSTRUCTIONS_MAX:
                raise MessageRefused(f"More than {INSTRUCTIONS_MAX} instructions in one message.", reason="AM18")
    if group is None or group.created_at is None:
        raise SchemaViolated("The message has no usable group header.")
    _check_totals(group, instructions)
    date = group.settlement_date or group.created_at.date()
    return SettlementMessage(
        group.message_id,
        group.created_at,
        date,
        Agent(group.instructing_bic),
        Agent(group.instructed_bic),
        tuple(instructions),
    )


def _read_instruction(element: Any, index: int) -> Instruction:
    place = Place(element.sourceline, f"CdtTrfTxInf[{index}]/IntrBkSttlmAmt")
    amount = fields.child(element, "IntrBkSttlmAmt")
    if amount.get("Ccy") != CURRENCY:
        raise MessageRefused(f"The currency is not {CURRENCY}.", reason="AM03", place=place)
    try:
        amount_tiyn = parse_amount((amount.text or "").strip())
    except BadAmount as bad:
        raise MessageRefused(bad.message, reason="AM02", place=place) from None
    identification = fields.child(element, "PmtId")
    return Instruction(
        instruction_id=fields.text(identification, "InstrId"),
        end_to_end_id=fields.text(identification, "EndToEndId"),
        transaction_id=fields.text(identification, "TxId"),
        amount_tiyn=amount_tiyn,
        debtor=_agent(fields.child(element, "Dbtr")),
        debtor_account=fields.account(fields.child(element, "DbtrAcct")),
        creditor=_agent(fields.child(element, "Cdtr")),
        creditor_account=fields.account(fields.child(element, "CdtrAcct")),
    )


def _agent(element: Any) -> Agent:
    return Agent(fields.agent_bic(element), fields.text(element, "FinInstnId", "Nm"))


def _check_totals(group: Group, instructions: list[Instruction]) -> None:
    place = Place(group.line, "GrpHdr")
    if group.transactions != len(instructions):
        raise TotalsDiffer(
            f"NbOfTxs says {group.transactions}, the message holds {len(instructions)}.", reason="AM18", place=place
        )
    total = fields.decimal(to_decimal(sum(each.amount_tiyn for each in instructions)))
    if group.control_sum not in {None, total} or group.total not in {None, total}:
        raise TotalsDiffer(f"The totals in the header are not {total}.", reason="AM10", place=place)
