"""Where a role hangs its pages into the console, without the kernel knowing the role."""

from collections.abc import Sequence

from django.urls import URLPattern, URLResolver, include, path

_roles: dict[str, list[URLPattern | URLResolver]] = {}


def declare(role: str, patterns: Sequence[URLPattern | URLResolver]) -> None:
    """Put ``patterns`` under ``/console/<role>/``, in the namespace ``console:<role>``. Once, at start."""
    _roles.setdefault(role, list(patterns))


def patterns() -> list[URLPattern | URLResolver]:
    """The addresses of all roles."""
    return [path(f"{role}/", include((found, role))) for role, found in _roles.items()]
