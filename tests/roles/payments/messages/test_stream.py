"""Hostile and broken files: refused by type, with the line, in bounded time and memory."""

import contextlib
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import reduce

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree
from tests.roles.payments.messages import making, samples

from senim.roles.payments.messages import check, pacs002, pacs008, pacs009, parts, schema, stream
from senim.roles.payments.messages.errors import MessageRefused, Problem
from senim.runtime.bench import rss_mib

GOOD = making.file(3)
DECLARATION = b'<?xml version="1.0" encoding="UTF-8"?>\n'
BODY = GOOD.removeprefix(DECLARATION)
SPACE = b"urn:iso:std:iso:20022:tech:xsd:pacs.008.001.08"
EXTERNAL = b"<!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]>"
NAMES = ("Айгүл Серікқызы".encode(), "Данияр".encode(), "Ахметұлы".encode())
LAUGHS = (
    b'<!DOCTYPE lolz [<!ENTITY lol "lol">'
    + b"".join(
        b'<!ENTITY lol%d "%s">' % (n, b"&lol%s;" % (b"" if n == 1 else b"%d" % (n - 1)) * 10) for n in range(1, 10)
    )
    + b"]>"
)


def refusal(content: bytes) -> Problem:
    """The first problem of a file that must have one."""
    found = check.inspect(content)
    assert found.problems, "the file was taken for good"
    return found.problems[0]


def test_the_good_file_is_good() -> None:
    found = check.inspect(GOOD)
    assert found.valid
    assert (found.message_id, found.sender_bic, found.totals.transactions) == ("MSG-1", making.SENDER, 3)


@pytest.mark.parametrize(
    ("content", "line", "word"),
    [
        (b"", 1, "empty"),
        (b" \n\t", 1, "empty"),
        (b"%PDF-1.7", 1, "not XML"),
        (b"\n\nhello", 3, "not XML"),
        (b"{}", 1, "not XML"),
        (b"PK\x03\x04", 1, "not XML"),
        (b"<", 1, "not XML"),
        (b"<!-- a comment", 1, "ends before"),
        (b"<a><b></a>", 1, "well-formed"),
        (b"<a/>", None, "no Document"),
        (b"<html><body/></html>", None, "no Document"),
        (GOOD[:-30], 6, "well-formed"),
        (GOOD[:1500], None, "well-formed"),
        (GOOD + b"<more/>", 7, "well-formed"),
        (GOOD + b"x", 7, "well-formed"),
        (GOOD.replace(b'Ccy="KZT"', b'Ccy="KZT" Ccy="EUR"', 1), 2, "redefined"),
        (GOOD.replace(b"<MsgId>", b"<MsgId>\x00"), 2, "well-formed"),
        (GOOD.replace(b"<MsgId>", b"<MsgId>\x01"), 2, "well-formed"),
        (GOOD.replace(b"<MsgId>", b"<MsgId>\xff\xfe"), 2, "well-formed"),
        (GOOD.replace(b"<MsgId>", b"<MsgId>&undeclared;"), 2, "undeclared"),
        (GOOD.replace(b"<MsgId>", b"<MsgId>&#0;"), 2, "well-formed"),
        (GOOD.replace(b"<CdtTrfTxInf>", b"<CdtTrfTxInf><!DOCTYPE x>", 1), 3, "well-formed"),
        (DECLARATION + b"<!DOCTYPE x>" + BODY, 2, "document type"),
        (DECLARATION + b"<!-- x -->\n<?pi?> <!DOCTYPE x SYSTEM 'http://127.0.0.1:9/x.dtd'>" + BODY, 3, "document type"),
        (DECLARATION + EXTERNAL + BODY.replace(b"MSG-1", b"&e;"), 2, "document type"),
        (DECLARATION + b"<!DOCTYPE x [<!ENTITY % e SYSTEM 'file:///etc/passwd'> %e;]>" + BODY, 2, "document type"),
        (DECLARATION + LAUGHS + BODY.replace(b"MSG-1", b"&lol9;"), 2, "document type"),
        (GOOD.decode().encode("utf-16"), 1, "UTF-8"),
        (GOOD.decode().encode("utf-16-le"), 1, "UTF-8"),
        (GOOD.decode().encode("utf-32"), 1, "UTF-8"),
        (GOOD.replace(b"UTF-8", b"UTF-7"), 1, "UTF-8"),
        (GOOD.replace(b"UTF-8", b"UTF-16"), 1, "UTF-8"),
        (GOOD.replace(b"UTF-8", b"windows-1251"), 1, "UTF-8"),
        (b"<a>" * 100_000, 1, "depth"),
        (GOOD.replace(b"<GrpHdr>", b"<a>" * 300 + b"<GrpHdr>"), 2, "depth"),
        (GOOD.replace(b"MSG-1", b"M" * 11_000_000), None, ""),
        (GOOD.replace(b"<Ustrd>", b"<Ustrd>" + b"x" * 11_000_000, 1), None, ""),
        (GOOD.replace(b"<Dbtr>", b"<Dbtr " + b" ".join(b'a%d=""' % n for n in range(200_000)) + b">", 1), None, ""),
        (b"<!--" + b"x" * 2_000_000 + b"-->" + BODY, None, "mebibyte|first|ends before"),
        (GOOD.replace(b"pacs.008.001.08", b"pacs.008.001.99"), 2, "not known"),
        (GOOD.replace(b"pacs.008.001.08", b"camt.056.001.08"), 2, "not known"),
        (GOOD.replace(b"pacs.008.001.08", b"pacs.009.001.08"), None, "not a pacs.008"),
        (GOOD.replace(b"urn:iso:std:iso:20022:tech:xsd:pacs.008.001.08", b"pacs.008.001.08"), 2, "not known"),
        (making.enveloped(GOOD).replace(b"urn:x", SPACE), None, "envelope"),
        (making.enveloped(GOOD).replace(b"urn:x", SPACE[:-15] + b"head.001.001.02"), None, "envelope"),
        (making.enveloped(GOOD).replace(b"</Envelope>", BODY + b"</Envelope>"), None, "more than one"),
        (making.enveloped(GOOD).replace(b"</Envelope>", b"<a>" + BODY + b"</a></Envelope>"), None, "more than one"),
    ],
)  # fmt: skip
def test_what_is_no_message_is_refused_with_its_line(content: bytes, line: int | None, word: str) -> None:
    began = time.monotonic()
    problem = refusal(content)
    assert problem.reason == "FF01"
    assert any(part in problem.message for part in word.split("|")), problem
    assert line is None or problem.place.line == line, problem
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("good", [
    b"\xef\xbb\xbf" + GOOD,
    GOOD.replace(b"UTF-8", b"utf-8"),
    reduce(lambda content, name: content.replace(name, b"N"), NAMES, GOOD.replace(b"UTF-8", b"US-ASCII")),
    BODY,
    b"<?xml version='1.0' standalone='yes'?>" + BODY,
    b"<!-- <!DOCTYPE x> --><?pi <!DOCTYPE x> ?>\n" + BODY,
    GOOD.replace(b"<MsgId>", b"<MsgId><![CDATA[").replace(b"</MsgId>", b"]]></MsgId>"),
    GOOD.replace(b"<MsgId>", b"<!-- c --><?p?><MsgId>"),
    making.enveloped(GOOD),
    making.enveloped(GOOD).replace(b"urn:x", b"http://www.w3.org/2001/XMLSchema"),
    making.enveloped(GOOD, "head.001.001.04", "pacs.008.001.10"),
    making.enveloped(GOOD).replace(b"Envelope", b"s:Env").replace(b' xmlns="urn:x"', b' xmlns:s="urn:s"', 1),
    b"<DataPDU><Body>" + making.enveloped(GOOD).split(b"?>", 1)[1] + b"</Body></DataPDU>",
    making.as_version(GOOD, "10"), making.as_version(GOOD, "12"),
])  # fmt: skip
def test_what_is_a_message_is_taken_in_every_dress(good: bytes) -> None:
    found = check.inspect(good)
    assert not found.problems
    assert (found.message_id, found.totals.transactions) == ("MSG-1", 3)


def test_prefixes_are_only_prefixes() -> None:
    root = etree.fromstring(GOOD)
    space = etree.QName(root).namespace
    prefixed = etree.tostring(root).decode().replace(f'xmlns="{space}"', f'xmlns:p="{space}"')
    prefixed = prefixed.replace("</", "\0").replace("<", "<p:").replace("\0", "</p:")
    found = check.inspect(prefixed.encode())
    assert not found.problems
    transfers = list(pacs008.Reader(prefixed.encode()))
    assert transfers == list(pacs008.Reader(etree.tostring(root)))


def test_a_transaction_hidden_in_supplementary_data_is_none() -> None:
    """A whole message in an envelope for other data, at whatever depth, adds nothing to the outer one."""
    record = GOOD[GOOD.index(b"<CdtTrfTxInf>") : GOOD.index(b"</CdtTrfTxInf>") + len(b"</CdtTrfTxInf>")]
    for hidden in (record, BODY, b"<x>" + BODY + b"</x>", b"<a><b>" + record + b"</b></a>"):
        content = GOOD.replace(
            b"</FIToFICstmrCdtTrf>", b"<SplmtryData><Envlp>" + hidden + b"</Envlp></SplmtryData></FIToFICstmrCdtTrf>"
        )
        found = check.inspect(content)
        assert found.totals.transactions == 3
        assert len(list(pacs008.Reader(content, validate=False))) == 3


def test_parts_between_transactions_are_seen() -> None:
    """What a run of transactions leaves behind must not hide a wrong order."""
    data = b"<SplmtryData><Envlp><x xmlns=''/></Envlp></SplmtryData>"
    problem = refusal(GOOD.replace(b"</CdtTrfTxInf>\n<CdtTrfTxInf>", b"</CdtTrfTxInf>" + data + b"\n<CdtTrfTxInf>", 1))
    assert "CdtTrfTxInf" in problem.message
    assert check.inspect(GOOD.replace(b"</FIToFICstmrCdtTrf>", data + b"</FIToFICstmrCdtTrf>")).valid


@pytest.mark.parametrize(
    ("old", "new", "line", "path", "word"),
    [
        (b"<ChrgBr>SLEV</ChrgBr>", b"", 3, "CdtTrfTxInf[1]/Dbtr", "Expected is one of"),
        (b"<ChrgBr>SLEV</ChrgBr>", b"<ChrgBr>X</ChrgBr>", 3, "CdtTrfTxInf[1]/ChrgBr", "enumeration"),
        (b'Ccy="KZT">123.47', b'Ccy="kzt">123.47', 5, "CdtTrfTxInf[3]/IntrBkSttlmAmt", "pattern '[A-Z]{3,3}'"),
        (b'Ccy="KZT">123.46', b'Ccy="KZT">12,46', 4, "CdtTrfTxInf[2]/IntrBkSttlmAmt", "not a valid value"),
        (b'Ccy="KZT">123.46', b'Ccy="KZT">1.123456', 4, "CdtTrfTxInf[2]/IntrBkSttlmAmt", "fractionDigits"),
        (b"<EndToEndId>E2E-1", b"<EndToEndId>" + b"E" * 36, 4, "CdtTrfTxInf[2]/PmtId/EndToEndId", "36"),
        (b"<MsgId>MSG-1", b"<MsgId>" + b"M" * 36, 2, "GrpHdr/MsgId", "maxLength"),
        (b"<SttlmMtd>CLRG", b"<SttlmMtd>CASH", 2, "GrpHdr/SttlmInf/SttlmMtd", "enumeration"),
        (b"</FIToFICstmrCdtTrf>", b"<Foo/></FIToFICstmrCdtTrf>", 6, "FIToFICstmrCdtTrf/Foo", "not expected"),
    ],
)  # fmt: skip
def test_a_violation_is_told_with_line_path_and_words(old: bytes, new: bytes, line: int, path: str, word: str) -> None:
    problem = refusal(GOOD.replace(old, new, 1))
    assert (problem.reason, problem.place.line) == ("FF01", line)
    assert problem.place.path.endswith(path)
    assert word in problem.message
    assert "{urn" not in problem.message


def test_every_error_of_a_file_is_found() -> None:
    content = GOOD.replace(b"SLEV", b"X").replace(b"<MsgId>MSG-1</MsgId>", b"").replace(b"E2E-2", b"")
    found = check.inspect(content)
    places = [(each.place.line, each.place.path.rpartition("FIToFICstmrCdtTrf/")[2]) for each in found.problems]
    assert places == [
        (2, "GrpHdr/CreDtTm"), (3, "CdtTrfTxInf[1]/ChrgBr"), (4, "CdtTrfTxInf[2]/ChrgBr"),
        (5, "CdtTrfTxInf[3]/PmtId/EndToEndId"), (5, "CdtTrfTxInf[3]/ChrgBr"),
    ]  # fmt: skip


def test_a_file_of_nothing_but_errors_ends_soon() -> None:
    record = b"<CdtTrfTxInf>" + b"<Ustrd></Ustrd>" * 60_000 + b"</CdtTrfTxInf>"
    remittance = b"<RmtInf>" + b"<Ustrd></Ustrd>" * 60_000 + b"</RmtInf>"
    began = time.monotonic()
    found = check.inspect(GOOD.replace(b"<CdtTrfTxInf>", (record * 5) + b"<CdtTrfTxInf>", 1))
    assert found.problems
    found = check.inspect(GOOD.replace(b"<RmtInf>", remittance + b"<RmtInf>"))
    assert 0 < len(found.problems) <= 2 * parts.PROBLEMS_MAX
    many = GOOD.replace(b"<ChrgBr>SLEV", b"<ChrgBr>X")
    start, end = many.index(b"<CdtTrfTxInf>"), many.index(b"</FIToFI")
    found = check.inspect(many[:start] + many[start:end] * 2_000 + many[end:])
    assert parts.PROBLEMS_MAX <= len(found.problems) <= 2 * parts.PROBLEMS_MAX
    assert time.monotonic() - began < 20


def verdict(content: bytes) -> bool:
    """Whether our parts find the message valid."""
    layout, whole = stream.begin(stream.readable(content))
    problems: list[Problem] = []
    for _ in parts.Parts(whole, layout, problems=problems):
        pass
    return not problems


@pytest.mark.parametrize("content", [making.file(4), making.enveloped(making.file(2))], ids=["alone", "enveloped"])
def test_validation_by_parts_is_validation_of_the_whole(content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "CHUNK_BYTES", 257)
    seen = {True: 0, False: 0}

    @given(making.spoilings(content))
    @settings(max_examples=500)
    def agree(spoiled: bytes) -> None:
        try:
            layout, _ = stream.begin(stream.readable(spoiled))
        except MessageRefused:
            return
        expected = layout.compiled().validate(etree.fromstring(spoiled))
        assert verdict(spoiled) == expected, spoiled
        seen[expected] += 1

    agree()
    assert min(seen.values()) > 20


def read_all(content: bytes) -> None:
    """Whatever reads bytes here: only typed refusals may come out."""
    found = check.inspect(content)
    assert all(each.reason in {"FF01", "AM10", "AM18"} for each in found.problems)
    check.inspect_any(content)
    readers: list[Callable[[bytes], object]] = [
        pacs002.read,
        pacs009.read,
        lambda data: list(pacs008.Reader(data)),
        lambda data: list(pacs008.Reader(data, validate=False)),
    ]
    for read in readers:
        with contextlib.suppress(MessageRefused):
            read(content)


@given(st.binary(max_size=300))
@settings(max_examples=300)
def test_random_bytes_never_crash(content: bytes) -> None:
    read_all(content)


@given(st.data())
@settings(max_examples=400)
def test_cut_and_spliced_bytes_never_crash(data: st.DataObject) -> None:
    base = data.draw(st.sampled_from([GOOD, making.enveloped(GOOD), SETTLEMENT, REPORT]))
    at, cut = data.draw(st.integers(0, len(base))), data.draw(st.integers(0, 40))
    noise = data.draw(
        st.one_of(
            st.binary(max_size=20),
            st.sampled_from([b"<", b"&", b"]]>", b"<![CDATA[", b"\x00", b"<!DOCTYPE a>", b"&lt;", b"<a/>", b"'", b'"']),
        )
    )
    read_all(base[:at] + noise + base[at + cut :])


@given(st.one_of(*(making.spoilings(base) for base in (GOOD, making.enveloped(GOOD)))))
@settings(max_examples=300)
def test_spoiled_trees_never_crash(content: bytes) -> None:
    read_all(content)


def _settlement() -> bytes:
    from tests.roles.payments.messages.test_pacs import settlement

    return pacs009.render(settlement())


def _report() -> bytes:
    from tests.roles.payments.messages.test_pacs import REPORT, STATUSES

    return pacs002.render(REPORT, STATUSES)


SETTLEMENT = _settlement()
REPORT = _report()


@samples.needed
@pytest.mark.parametrize("path", samples.MESSAGES, ids=lambda path: path.name)
def test_real_messages_are_read_or_refused_by_name(path) -> None:  # type: ignore[no-untyped-def]  # a path
    content = path.read_bytes()
    found = check.inspect(content)
    if "pacs.008" in path.name:
        assert not found.problems
        assert found.totals.transactions == 1
        assert found.warnings
    else:
        assert [each.reason for each in found.problems] == ["FF01"]
    read_all(content)


class Endless:
    """A file of so many transactions that is never in memory."""

    def __init__(self, count: int) -> None:
        self._pieces = self._make(count)
        self._held = b""
        self.bytes = 0

    @staticmethod
    def _make(count: int) -> Iterator[bytes]:
        start, end = GOOD.index(b"<CdtTrfTxInf>"), GOOD.index(b"</FIToFI")
        yield GOOD[:start].replace(b"<NbOfTxs>3", b"<NbOfTxs>%d" % (count * 3))
        for _ in range(count):
            yield GOOD[start:end]
        yield GOOD[end:]

    def read(self, size: int, /) -> bytes:
        while len(self._held) < size and (piece := next(self._pieces, b"")):
            self._held += piece
        given_out, self._held = self._held[:size], self._held[size:]
        self.bytes += len(given_out)
        return given_out


def test_memory_is_flat() -> None:
    check.inspect(Endless(400))
    before = rss_mib()
    source = Endless(10_000)
    found = check.inspect(source)
    assert found.totals.transactions == 30_000
    assert source.bytes > 20_000_000
    assert [each.reason for each in found.problems] == ["AM10", "AM10"]
    assert rss_mib() - before < 30


def test_a_schema_is_compiled_once() -> None:
    assert schema.compiled("pacs.008.001.08") is schema.compiled("pacs.008.001.08")


def test_threads_do_not_mix_up_their_files() -> None:
    """Each thread finds the errors of its own file, however many read at once."""

    def errors(number: int) -> bool:
        content = GOOD.replace(b"SLEV", b"BAD%d" % number)
        found = check.inspect(content)
        return len(found.problems) == 3 and all(f"BAD{number}'" in each.message for each in found.problems)

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(errors, range(200)))
