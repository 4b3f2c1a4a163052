"""A participant's machine at the operator's door for files: signed uploads of pacs.008."""

import datetime as dt
import http.client
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from senim.errors import SenimError
from senim.kernel.delivery.signatures import SigningKey, sign_request
from senim.kernel.values import almaty, iban
from senim.roles.payments.messages import pacs008
from senim.sandbox.traffic import Operation

PATH: Final = "/payments/v1/files"
TIMEOUT_SECONDS: Final = 60.0
ANSWER_BYTES_MAX: Final = 1 << 20


class FileNotTaken(SenimError):
    """The operator did not take the file."""

    code = "sandbox.file_not_taken"


def bulk_file(lines: Sequence[Operation], message_id: str, sender_bic: str, bics: Mapping[str, str]) -> bytes:
    """A pacs.008 of the lines; ``bics`` gives the BIC of each bank code in the market."""
    now = dt.datetime.now(dt.UTC)
    payments = [
        pacs008.Payment(
            end_to_end_id=f"{message_id[-20:]}-{index:05}",
            transaction_id=f"{message_id[-20:]}-{index:05}",
            amount_tiyn=line.amount_tiyn,
            debtor_name="Жалақы төлеуші",
            debtor_account=line.debit_account,
            debtor_bic=bics[iban.bank_code(line.debit_account)],
            creditor_name="Қызметкер",
            creditor_account=line.credit_account,
            creditor_bic=bics[iban.bank_code(line.credit_account)],
            purpose="Жалақы",
        )
        for index, line in enumerate(lines, 1)
    ]
    out = io.BytesIO()
    pacs008.make_pacs008(
        out,
        payments,
        message_id=message_id,
        sender_bic=sender_bic,
        created_at=now,
        settlement_date=almaty.operating_day(now),
    )
    return out.getvalue()


class FileClient:
    """Sends files to the operator."""

    def __init__(self, url: str, key: SigningKey) -> None:
        parts = urlsplit(url)
        assert parts.hostname, "the operator has an address"
        self._host, self._port = parts.hostname, parts.port or 80
        self._key = key

    def send(self, name: str, content: bytes) -> dict[str, Any]:
        """Upload a file; return what the operator says of it.

        Raises:
            FileNotTaken: no answer, or a refusal with its text.
        """
        target = f"{PATH}?name={name}"
        headers = {"Content-Type": "application/xml", **sign_request(self._key, "POST", target, content)}
        connection = http.client.HTTPConnection(self._host, self._port, timeout=TIMEOUT_SECONDS)
        try:
            connection.request("POST", target, content, headers)
            response = connection.getresponse()
            body = response.read(ANSWER_BYTES_MAX)
        except (OSError, http.client.HTTPException) as error:
            raise FileNotTaken(f"{type(error).__name__}: {error}") from None
        finally:
            connection.close()
        if response.status not in (200, 201, 202):
            raise FileNotTaken(f"{response.status}: {body.decode('utf-8', 'replace')[:300]}", status=response.status)
        answer: dict[str, Any] = json.loads(body)
        return answer
