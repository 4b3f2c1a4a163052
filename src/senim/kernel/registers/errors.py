"""What a register refuses."""

from senim.errors import BadInput


class UnknownColumn(BadInput):
    """The register has no such column to sort by."""

    code = "registers.unknown_column"


class TooManyRows(BadInput):
    """The form of output cannot hold so many rows."""

    code = "registers.too_many_rows"
