"""Help beside a page: a few true sentences, and the clause where there is a duty."""

from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Help:
    """Sentences (lazy translations) that explain a page, and the clauses (ids of the catalogue) behind it."""

    lines: tuple[object, ...]
    clauses: tuple[str, ...] = field(default=())
