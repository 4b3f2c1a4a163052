"""What the ledger refuses as a whole, as opposed to the status that it gives to a single event."""

from senim.errors import BadInput, SenimError


class LedgerError(SenimError):
    """The ledger could not do what was asked."""

    code = "ledger.error"


class LedgerContention(LedgerError):
    """Other writers kept creating the same ids; nothing was posted, the transaction may be tried again."""

    code = "ledger.contention"


class LedgerInputInvalid(BadInput):
    """A line of the input is not an operation of the ledger."""

    code = "ledger.input_invalid"
