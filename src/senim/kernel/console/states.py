"""A state in words with a tone, so that no page tells a state by colour alone."""

from dataclasses import dataclass


@dataclass(frozen=True)
class State:
    """``tone`` is good, bad, warn, calm or empty; ``words`` is a lazy translation."""

    tone: str
    words: object

    def __str__(self) -> str:
        return str(self.words)
