"""Schemas of ISO 20022 messages, derived at run time from the facets that pyiso20022's classes carry.

The message definitions are not copied into Senim: pyiso20022's dataclasses name every element, its order, how often it
occurs, its pattern, lengths, digits and enumerations. From these an XML Schema is written and compiled once per message
version, and libxml2 validates with it while it streams. ``tests/roles/payments/messages/test_schema.py`` holds the
derived schemas against the published ones.

Classes whose names end in ``Choice`` become ``xs:choice``, the others ``xs:sequence`` in the order of their fields: the
naming rule of ISO 20022's own model. Versions that this rule does not fit (the first of 2006, where a choice hides in a
sequence) are validated a little more loosely than their published schema, never more strictly.
"""

import importlib
import importlib.util
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import Field, fields, is_dataclass
from decimal import Decimal
from enum import Enum
from functools import cache, lru_cache
from threading import local
from types import ModuleType
from typing import Any, get_args, get_origin, get_type_hints
from xml.sax.saxutils import quoteattr

from lxml import etree
from xsdata.models.datatype import XmlDate, XmlDateTime, XmlPeriod, XmlTime

from senim.roles.payments.messages.errors import SchemaViolated, UnknownMessage

NAMESPACE_PREFIX = "urn:iso:std:iso:20022:tech:xsd:"
XS = "http://www.w3.org/2001/XMLSchema"
DEFINITION = re.compile(r"(pacs|admi|head)\.[0-9]{3}\.[0-9]{3}\.[0-9]{2}")
"""Message definition identifiers that are looked up; the closed form keeps a namespace from naming any other module."""

SIMPLE_TYPES: dict[object, str] = {
    str: "string",
    bool: "boolean",
    bytes: "base64Binary",
    Decimal: "decimal",
    XmlDate: "date",
    XmlDateTime: "dateTime",
    XmlTime: "time",
    XmlPeriod: "gYear",  # the only period in these messages is a tax year
}
FACETS = {
    "pattern": "pattern",
    "min_length": "minLength",
    "max_length": "maxLength",
    "min_inclusive": "minInclusive",
    "max_inclusive": "maxInclusive",
    "total_digits": "totalDigits",
    "fraction_digits": "fractionDigits",
}
EMPTY_CHOICE = re.compile(r"MandateRelatedData[0-9]+Choice")
"""Choices that the published schemas let stand empty, which the classes cannot say."""
COMPILED_MAX = 64


class _Compiled(local):
    """Compiled schemas of one thread: a schema of lxml keeps the errors of its last validation in itself."""

    def __init__(self) -> None:
        self.schemas: dict[tuple[object, ...], etree.XMLSchema] = {}

    def find(self, key: tuple[object, ...], compile_: Callable[[], etree.XMLSchema]) -> etree.XMLSchema:
        """The schema under ``key``, compiled when it is first wanted."""
        found = self.schemas.get(key)
        if found is None:
            if len(self.schemas) >= COMPILED_MAX:
                self.schemas.clear()  # only a sender that names every envelope otherwise comes here
            found = self.schemas[key] = compile_()
        return found


_compiled = _Compiled()


def definition(namespace: str) -> str:
    """The message definition identifier of a namespace: ``pacs.008.001.10``.

    Raises:
        UnknownMessage: not the namespace of a message or header known here.
    """
    identifier = namespace.removeprefix(NAMESPACE_PREFIX)
    if identifier == namespace or not DEFINITION.fullmatch(identifier):
        raise UnknownMessage(namespace=namespace[:200])
    _module(identifier)
    return identifier


def namespace(identifier: str) -> str:
    """The namespace of a message definition."""
    return NAMESPACE_PREFIX + identifier


@cache
def _module(identifier: str) -> ModuleType:
    name = identifier.replace(".", "_")
    family = name[:4]
    path = f"pyiso20022.{family}.{name}"
    if importlib.util.find_spec(path) is None:
        raise UnknownMessage(namespace=namespace(identifier))
    return importlib.import_module(f"{path}.{name}")


def root_class(identifier: str) -> type:
    """The class of the outermost element: ``AppHdr`` of a header, ``Document`` of a message."""
    return getattr(_module(identifier), "AppHdr" if identifier.startswith("head.") else "Document")  # type: ignore[no-any-return]  # by the generator's convention


def message_element(identifier: str) -> tuple[str, type]:
    """Name and class of the one element inside ``Document``: ``("FIToFICstmrCdtTrf", ...)``."""
    (message,) = fields(root_class(identifier))
    return _xml_name(message), _classes(root_class(identifier), message)[0]


def record_class(identifier: str, record: str) -> type:
    """The class of the message's repeated part, such as ``CdtTrfTxInf``."""
    _, message = message_element(identifier)
    (part,) = (each for each in fields(message) if _xml_name(each) == record)
    return _classes(message, part)[0]


@lru_cache(maxsize=64)
def derived(identifier: str, record: str | None = None) -> str:
    """The XML Schema of a message or header; with ``record`` the schema of that part standing alone."""
    cls = record_class(identifier, record) if record else root_class(identifier)
    name = record or ("AppHdr" if identifier.startswith("head.") else "Document")
    return "".join(_schema(identifier, name, cls))


def compiled(identifier: str, record: str | None = None) -> etree.XMLSchema:
    """The same, compiled; for use in this thread."""
    return _compiled.find(
        (identifier, record), lambda: etree.XMLSchema(etree.fromstring(derived(identifier, record).encode()))
    )


def compiled_envelope(root: str, identifiers: tuple[str, ...]) -> etree.XMLSchema:
    """A schema for an envelope: whatever surrounds them, the header and the message in it are validated strictly.

    ``root`` is the qualified name of the outermost element as lxml spells it (``{namespace}Envelope``).

    Raises:
        UnknownMessage: the envelope has a name that no envelope can have, such as one of the message's own namespace.
    """
    return _compiled.find((root, *identifiers), lambda: _compile_envelope(root, identifiers))


def _compile_envelope(root: str, identifiers: tuple[str, ...]) -> etree.XMLSchema:
    wrapped = etree.QName(root)
    imports = "".join(
        f'<xs:import namespace="{namespace(each)}" schemaLocation="senim:{each}"/>' for each in identifiers
    )
    target = f" targetNamespace={quoteattr(wrapped.namespace)}" if wrapped.namespace else ""
    text = (
        f'<xs:schema xmlns:xs="{XS}" elementFormDefault="qualified"{target}>{imports}'
        f"<xs:element name={quoteattr(wrapped.localname)}><xs:complexType><xs:sequence>"
        '<xs:any namespace="##any" processContents="lax" minOccurs="0" maxOccurs="unbounded"/></xs:sequence>'
        '<xs:anyAttribute namespace="##any" processContents="skip"/></xs:complexType></xs:element></xs:schema>'
    )
    parser = etree.XMLParser(no_network=True)
    parser.resolvers.add(_DerivedResolver())
    try:
        return etree.XMLSchema(etree.fromstring(text.encode(), parser))
    except etree.XMLSchemaParseError:
        raise UnknownMessage(f"The message stands in an envelope of an unusable name, {root[:120]}.") from None


def validate(identifier: str, content: bytes) -> None:
    """Check a short message made here before it goes out.

    Raises:
        SchemaViolated: with the validator's first sentence, which names the element.
    """
    checked = compiled(identifier)
    if not checked.validate(etree.fromstring(content)):
        log: Any = checked.error_log
        raise SchemaViolated(str(log[0].message))


class _DerivedResolver(etree.Resolver):
    """Answers the imports of an envelope's schema from what is derived here; nothing is fetched."""

    def resolve(self, system_url: str | None, _public_id: str | None, context: Any) -> Any:  # type: ignore[override]  # lxml passes three; its stubs know two
        identifier = (system_url or "").removeprefix("senim:")
        return self.resolve_string(derived(identifier).encode(), context, base_url=system_url)


def _schema(identifier: str, name: str, cls: type) -> Iterator[str]:
    target = namespace(identifier)
    yield f'<xs:schema xmlns:xs="{XS}" xmlns="{target}" targetNamespace="{target}" elementFormDefault="qualified">'
    yield f'<xs:element name="{name}" type="{_type_name(cls)}"/>'
    for each in _reachable(cls):
        yield from _enumeration(each) if issubclass(each, Enum) else _complex_type(each)
    yield "</xs:schema>"


def _reachable(start: type) -> Iterable[type]:
    """Every class that a message of class ``start`` may hold, each once."""
    found: dict[type, None] = {start: None}
    queue = [start]
    while queue:
        cls = queue.pop()
        if not is_dataclass(cls):
            continue
        for each in fields(cls):
            for inner in _classes(cls, each):
                if inner not in found and (is_dataclass(inner) or issubclass(inner, Enum)):
                    found[inner] = None
                    queue.append(inner)
    return found


@cache
def _hints(cls: type) -> dict[str, Any]:
    return get_type_hints(cls)


def _classes(cls: type, each: "Field[Any]") -> list[type]:
    """The classes a field's annotation names, without ``None`` and ``list``."""
    hint = _hints(cls)[each.name]
    return [inner for inner in get_args(hint) or (hint,) if inner is not type(None)]


def _type_name(cls: type) -> str:
    return cls.__name__


def _xml_name(each: "Field[Any]") -> str:
    return str(each.metadata.get("name", each.name))


def _enumeration(cls: type[Enum]) -> Iterator[str]:
    yield f'<xs:simpleType name="{_type_name(cls)}"><xs:restriction base="xs:string">'
    yield from (f"<xs:enumeration value={quoteattr(str(member.value))}/>" for member in cls)
    yield "</xs:restriction></xs:simpleType>"


def _complex_type(cls: type) -> Iterator[str]:
    own = fields(cls)
    attributes = [each for each in own if each.metadata.get("type") == "Attribute"]
    content = [each for each in own if "type" not in each.metadata]
    elements = [each for each in own if each.metadata.get("type") in {"Element", "Wildcard"}]
    yield f'<xs:complexType name="{_type_name(cls)}">'
    if content:
        yield f'<xs:simpleContent><xs:extension base="{_type_name(cls)}.value">'
        yield from (_attribute(cls, each) for each in attributes)
        yield "</xs:extension></xs:simpleContent></xs:complexType>"
        yield _simple_type(cls, content[0], name=f"{_type_name(cls)}.value")
        return
    group = "choice" if cls.__name__.endswith("Choice") else "sequence"
    yield f"<xs:{group}>"
    yield from (_element(cls, each, chosen=group == "choice") for each in elements)
    yield f"</xs:{group}>"
    yield from (_attribute(cls, each) for each in attributes)
    yield "</xs:complexType>"


def _element(cls: type, each: "Field[Any]", *, chosen: bool) -> str:
    meta = each.metadata
    if meta["type"] == "Wildcard":
        space = meta.get("namespace", "##any")
        return f'<xs:any namespace="{space}" processContents="lax"/>'
    occurs = _occurs(cls, each, chosen=chosen)
    inner = _classes(cls, each)[0]
    name = _xml_name(each)
    if inner not in SIMPLE_TYPES:
        return f'<xs:element name="{name}" type="{_type_name(inner)}"{occurs}/>'
    return f'<xs:element name="{name}"{occurs}>{_simple_type(cls, each)}</xs:element>'


def _occurs(cls: type, each: "Field[Any]", *, chosen: bool) -> str:
    meta = each.metadata
    if get_origin(_hints(cls)[each.name]) is list:
        least = 1 if chosen else int(meta.get("min_occurs", 0))
        return f' minOccurs="{least}" maxOccurs="{meta.get("max_occurs", "unbounded")}"'
    required = meta.get("required") or (chosen and not EMPTY_CHOICE.fullmatch(cls.__name__))
    return "" if required else ' minOccurs="0"'


def _attribute(cls: type, each: "Field[Any]") -> str:
    use = ' use="required"' if each.metadata.get("required") else ""
    return f'<xs:attribute name="{_xml_name(each)}"{use}>{_simple_type(cls, each)}</xs:attribute>'


def _simple_type(cls: type, each: "Field[Any]", name: str | None = None) -> str:
    base = SIMPLE_TYPES[_classes(cls, each)[0]]
    facets = "".join(
        f"<xs:{facet} value={quoteattr(str(each.metadata[key]))}/>"
        for key, facet in FACETS.items()
        if key in each.metadata
    )
    named = f' name="{name}"' if name else ""
    return f'<xs:simpleType{named}><xs:restriction base="xs:{base}">{facets}</xs:restriction></xs:simpleType>'
