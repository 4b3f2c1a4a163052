"""The one base of every error that Senim raises on purpose."""

from typing import ClassVar


class SenimError(Exception):
    """Something Senim refuses or could not do.

    ``code`` is stable and appears in the API and in the documents; the class docstring's first line is the default
    message; ``fields`` carries the data that a person or a machine needs to act on it.
    """

    code: ClassVar[str] = "senim.error"

    def __init__(self, message: str | None = None, **fields: object) -> None:
        self.message = message or (type(self).__doc__ or type(self).__name__).strip().splitlines()[0]
        self.fields = fields
        super().__init__(self.message)


class BadInput(SenimError):
    """The input cannot be used as it is."""

    code = "senim.bad_input"
