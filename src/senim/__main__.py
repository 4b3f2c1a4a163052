"""``python -m senim``: the same as the ``senim`` program, for the processes that Senim itself starts."""

from senim.cli import main

main()
