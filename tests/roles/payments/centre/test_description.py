"""What docs/centre.md shows byte by byte is what the Centre's own signer makes."""

import re
from pathlib import Path

from senim.kernel.delivery.signatures import ed25519_signing_key, sign_request

TEXT = (Path(__file__).parents[4] / "docs" / "centre.md").read_text(encoding="utf-8")


def test_the_request_in_the_description_is_signed_as_it_says() -> None:
    body = re.search(r"`(\{\"kind\":\"transfer\",\"means\".*?\})`", TEXT)
    created = re.search(r"the time (\d+)\.", TEXT)
    assert body
    assert created
    headers = sign_request(
        ed25519_signing_key("astau-1", bytes(range(32))),
        "POST",
        "/centre/v1/operations",
        body[1].encode(),
        idempotency_key="20261120-000123",
        created=int(created[1]),
    )
    assert all(f"    {name}: {value}\n" in TEXT for name, value in headers.items())
