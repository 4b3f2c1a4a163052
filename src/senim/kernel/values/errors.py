"""What the values refuse."""

from senim.errors import BadInput


class BadValue(BadInput):
    """The value is malformed."""

    code = "values.malformed"
