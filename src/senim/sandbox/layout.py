"""Where the sandbox keeps what, and which ports its organisations listen on."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from senim.sandbox.world import BANKS, SETTLEMENT_BANK, Bank

CREDENTIALS: Final = "credentials.txt"
PORTS_APART: Final = 10
"""Simulators listen from the web's port + 10 on."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The sandbox of one data folder, with the web on ``port``."""

    data_dir: Path
    port: int

    @property
    def root(self) -> Path:
        """The folder of the sandbox's own things."""
        return self.data_dir / "sandbox"

    @property
    def credentials(self) -> Path:
        """Logins and passwords that were made at the first start, readable by their owner only."""
        return self.root / CREDENTIALS

    def folder(self, bank: Bank) -> Path:
        """The folder of one simulated organisation."""
        return self.root / bank.slug

    def port_of(self, bank: Bank) -> int:
        """The port of one simulated organisation."""
        return self.port + PORTS_APART + (*BANKS, SETTLEMENT_BANK).index(bank)

    def url_of(self, bank: Bank) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port_of(bank)}"
