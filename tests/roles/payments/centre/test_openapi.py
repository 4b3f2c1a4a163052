"""The description and the Centre agree: requests made from it, right and wrong, against the running Centre."""

import json
from collections.abc import Iterator

import msgspec
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi import checks
from tests.roles.payments.centre.client import in_thread

from senim.kernel.delivery.signatures import SigningKey, sign_request
from senim.roles.payments.centre import openapi, wire
from senim.roles.payments.centre.scratch import MadeBank

pytestmark = pytest.mark.django_db
CHECKS = [
    schemathesis.checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]
DOCUMENT = json.loads(openapi.document())


@pytest.fixture(scope="class")
def served(database: str, banks: list[MadeBank]) -> Iterator[tuple[str, SigningKey]]:
    with in_thread(database) as (port, _):
        yield f"http://127.0.0.1:{port}", banks[0].hmac


class Signed(requests.auth.AuthBase):
    """Signs what is about to be sent, as it is."""

    def __init__(self, key: SigningKey) -> None:
        self.key = key

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        body = request.body.encode() if isinstance(request.body, str) else request.body or b""
        name = request.headers.get("Idempotency-Key", "")
        name = name.decode("latin-1") if isinstance(name, bytes) else name
        try:
            fields = sign_request(self.key, request.method or "GET", request.path_url, body, name.strip())
        except UnicodeEncodeError:  # such a key cannot be signed: 401, which is described too
            return request
        request.headers.update(fields)
        return request


class TestDescription:
    @pytest.mark.parametrize("operation", ["authorise", "authoriseBatch", "readOperation", "readConfirmations"])
    @pytest.mark.parametrize("mode", GenerationMode)
    def test_generated_requests_meet_the_description(
        self, served: tuple[str, SigningKey], operation: str, mode: GenerationMode
    ) -> None:
        url, key = served
        schema = schemathesis.openapi.from_dict(DOCUMENT)
        described = [one.ok() for one in schema.get_all_operations()]
        [found] = [one for one in described if one.definition.raw["operationId"] == operation]

        @settings(
            max_examples=30, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None
        )
        @given(case=found.as_strategy(generation_mode=mode))
        def probe(case: schemathesis.Case) -> None:
            response = case.call_and_validate(base_url=url, auth=Signed(key), checks=CHECKS, timeout=10)
            statuses.add(response.status_code)

        statuses: set[int] = set()
        probe()
        assert statuses & {200, 400, 404}, "nothing got past the signature"


def test_the_examples_are_what_the_decoder_takes() -> None:
    paths = DOCUMENT["paths"]
    for path, decoder in (("operations", wire.SingleOperation), ("operations:batch", wire.Batch)):
        content = paths[f"/centre/v1/{path}"]["post"]["requestBody"]["content"]["application/json"]
        msgspec.convert(content["example"], decoder, strict=False)


def test_every_reference_leads_somewhere() -> None:
    text = json.dumps(DOCUMENT)
    names = set(DOCUMENT["components"]["schemas"])
    for reference in text.split('"$ref": "#/components/schemas/')[1:]:
        assert reference.partition('"')[0] in names
