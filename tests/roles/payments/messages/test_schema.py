"""The derived schemas give the same verdict as the published ones."""

from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree
from tests.roles.payments.messages import making, samples

from senim.roles.payments.messages import schema
from senim.roles.payments.messages.errors import SchemaViolated, UnknownMessage

XS = f"{{{schema.XS}}}"
KNOWN = [path.stem for path in samples.SCHEMAS if schema.DEFINITION.fullmatch(path.stem)]


@cache
def published(identifier: str) -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(samples.schema_file(identifier)))


def shape(root: etree._Element) -> dict[str, object]:
    """Every complex type by what it holds: group, and elements with how often they occur, without names of types."""
    found: dict[str, object] = {}
    for each in root.findall(f"{XS}complexType"):
        group = each[0]
        if group.tag != f"{XS}simpleContent":
            found[each.get("name", "").lower()] = (
                group.tag,
                [(e.tag, e.get("name"), e.get("minOccurs", "1"), e.get("maxOccurs", "1")) for e in group],
            )
    return found


@samples.needed
@pytest.mark.parametrize("identifier", KNOWN)
def test_the_same_types_hold_the_same_elements_as_often(identifier: str) -> None:
    ours, theirs = (
        shape(etree.fromstring(schema.derived(identifier).encode())),
        shape(etree.parse(samples.schema_file(identifier)).getroot()),
    )
    for name in theirs.keys() & ours.keys():
        assert ours[name] == theirs[name], name
    assert len(theirs.keys() ^ ours.keys()) <= 2, "only the message's own type is named otherwise"


@samples.needed
@pytest.mark.parametrize("version", ["08", "10"])
def test_mutations_of_a_message_get_the_same_verdict(version: str) -> None:
    identifier = f"pacs.008.001.{version}"
    start = making.as_version(making.file(2), version)
    assert published(identifier).validate(etree.fromstring(start))
    seen = {True: 0, False: 0}

    @given(making.spoilings(start))
    @settings(max_examples=400)
    def agree(content: bytes) -> None:
        tree = etree.fromstring(content)
        verdict = published(identifier).validate(tree)
        assert schema.compiled(identifier).validate(tree) == verdict, published(identifier).error_log
        seen[verdict] += 1

    agree()
    assert min(seen.values()) > 20, "both verdicts must be met"


def inner_document(content: bytes, identifier: str) -> bytes:
    """The document of an enveloped sample, as if it were of another version of the same message."""
    [document] = etree.fromstring(content).iter("{*}Document")
    text = etree.tostring(document)
    return text.replace(etree.QName(document).namespace.encode(), schema.namespace(identifier).encode())


@samples.needed
@pytest.mark.parametrize(
    "identifier", [each for each in KNOWN if each[:8] in {"pacs.002", "pacs.008", "pacs.009", "pacs.004"}]
)
def test_mutations_of_real_messages_get_the_same_verdict(identifier: str) -> None:
    sources = [inner_document(path.read_bytes(), identifier) for path in samples.messages(identifier[:8])]
    assert sources

    @given(st.sampled_from(sources).flatmap(making.spoilings))
    @settings(max_examples=120)
    def agree(content: bytes) -> None:
        tree = etree.fromstring(content)
        assert schema.compiled(identifier).validate(tree) == published(identifier).validate(tree)

    agree()


@pytest.mark.parametrize("kind", ["pacs.002", "pacs.008", "pacs.009"])
@pytest.mark.parametrize("version", range(1, 16))
def test_every_version_that_is_known_compiles(kind: str, version: int) -> None:
    identifier = f"{kind}.001.{version:02}"
    try:
        schema.definition(schema.namespace(identifier))
    except UnknownMessage:
        assert version in {1, 13, 14, 15}
        return
    assert schema.compiled(identifier)
    assert schema.compiled(identifier, {"pacs.002": "TxInfAndSts"}.get(kind, "CdtTrfTxInf"))


@pytest.mark.parametrize(
    "name",
    [
        "",
        "urn:x",
        "urn:iso:std:iso:20022:tech:xsd:os.path",
        "urn:iso:std:iso:20022:tech:xsd:pacs.008.001.99",
        "urn:iso:std:iso:20022:tech:xsd:pacs.008.001.08.x",
    ],
)
def test_other_namespaces_name_nothing(name: str) -> None:
    with pytest.raises(UnknownMessage):
        schema.definition(name)


def test_what_is_sent_out_is_checked() -> None:
    schema.validate(
        "admi.002.001.01",
        making.document(
            "admi.002.001.01",
            "admi.002.001.01",
            "<RltdRef><Ref>A</Ref></RltdRef><Rsn><RjctgPtyRsn>X</RjctgPtyRsn></Rsn>",
        ),
    )
    with pytest.raises(SchemaViolated, match="Missing child"):
        schema.validate(
            "admi.002.001.01", making.document("admi.002.001.01", "admi.002.001.01", "<RltdRef><Ref>A</Ref></RltdRef>")
        )
