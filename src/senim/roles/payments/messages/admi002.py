"""admi.002, message reject: the answer to a file in which not even the message's identification could be read.

Where it could, the answer is a pacs.002 that rejects the whole group: so do the users of the standard, for whom an
admi.002 says "this was no message", and a pacs.002 "this message is refused".
"""

import datetime as dt
from typing import Final

from senim.roles.payments.messages import schema, writing
from senim.roles.payments.messages.errors import Problem
from senim.roles.payments.messages.pacs002 import NOT_PROVIDED

DEFINITION: Final = "admi.002.001.01"
ELEMENT: Final = "admi.002.001.01"


def render(problem: Problem, rejected_at: dt.datetime, reference: str = "") -> bytes:
    """The message as bytes. ``reference`` names what is rejected, if it has a name at all.

    Raises:
        SchemaViolated: the reference is longer than 35 characters.
    """
    reason = writing.wrap(
        "Rsn",
        writing.tag("RjctgPtyRsn", problem.reason),
        writing.tag("RjctnDtTm", writing.moment(rejected_at)),
        writing.tag("ErrLctn", str(problem.place)[:350]),
        writing.tag("RsnDesc", problem.message[:350]),
    )
    related = writing.wrap("RltdRef", writing.tag("Ref", reference or NOT_PROVIDED))
    text = writing.open_document(DEFINITION, ELEMENT) + related + reason + writing.close_document(ELEMENT)
    content = text.encode()
    schema.validate(DEFINITION, content)
    return content
