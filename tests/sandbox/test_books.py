"""The settlement bank's books: money moves once for a message, and only money that is there."""

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from senim.roles.payments.messages.values import Agent, Instruction
from senim.sandbox.simulators.books import Books, Word
from senim.sandbox.simulators.journal import Journal

SYSTEM = "KZ-SYSTEM"
BANKS = {"KZ-A": 1_000, "KZ-B": 500, "KZ-C": 0}


def instruction(name: str, debtor: str, creditor: str, amount_tiyn: int) -> Instruction:
    return Instruction(name, name, amount_tiyn, Agent(name=debtor), debtor, Agent(name=creditor), creditor)


def day(*lines: tuple[str, int]) -> list[Instruction]:
    """Instructions of a netted day: (account, net)."""
    return [
        instruction(f"I{number}", account, SYSTEM, -net) if net < 0 else instruction(f"I{number}", SYSTEM, account, net)
        for number, (account, net) in enumerate(lines)
    ]


def test_what_participants_pay_goes_to_those_who_receive(tmp_path: Path) -> None:
    books = Books(tmp_path / "books", BANKS, SYSTEM)
    words = books.carry_out("M1", day(("KZ-C", 700), ("KZ-A", -900), ("KZ-B", 200)))
    assert [word.status for word in words] == ["ACSC", "ACSC", "ACSC"]
    assert books.balances == {"KZ-A": 100, "KZ-B": 700, "KZ-C": 700, SYSTEM: 0}


def test_a_message_moves_money_once_however_often_it_comes(tmp_path: Path) -> None:
    books = Books(tmp_path / "books", BANKS, SYSTEM)
    lines = day(("KZ-A", -900), ("KZ-C", 900))
    assert books.carry_out("M1", lines) == books.carry_out("M1", lines)
    again = Books(tmp_path / "books", BANKS, SYSTEM)
    assert again.carry_out("M1", lines) == books.carry_out("M1", lines)
    assert again.balances == books.balances == {"KZ-A": 100, "KZ-B": 500, "KZ-C": 900, SYSTEM: 0}


def test_without_funds_the_payer_is_refused_and_nothing_is_paid_out_that_did_not_come_in(tmp_path: Path) -> None:
    books = Books(tmp_path / "books", BANKS, SYSTEM)
    words = books.carry_out("M1", day(("KZ-C", 1_600), ("KZ-A", -900), ("KZ-B", -700)))
    assert words == [Word("I0", "RJCT", "AM04"), Word("I1", "ACSC"), Word("I2", "RJCT", "AM04")]
    assert books.balances == {"KZ-A": 100, "KZ-B": 500, "KZ-C": 0, SYSTEM: 900}
    assert sum(books.balances.values()) == sum(BANKS.values())


@pytest.mark.parametrize(
    ("debtor", "creditor", "reason"),
    [("KZ-X", SYSTEM, "AC01"), (SYSTEM, "KZ-X", "AC03"), ("KZ-A", "KZ-B", "AG01")],
)
def test_strange_accounts_are_refused_by_reason(tmp_path: Path, debtor: str, creditor: str, reason: str) -> None:
    books = Books(tmp_path / "books", BANKS, SYSTEM)
    assert books.carry_out("M1", [instruction("I", debtor, creditor, 1)]) == [Word("I", "RJCT", reason)]


def test_an_answer_stays_unsent_until_it_is_delivered(tmp_path: Path) -> None:
    books = Books(tmp_path / "books", BANKS, SYSTEM)
    books.carry_out("M1", day(("KZ-A", -1), ("KZ-C", 1)))
    assert Books(tmp_path / "books", BANKS, SYSTEM).unsent() == ["M1"]
    books.note_sent("M1")
    assert Books(tmp_path / "books", BANKS, SYSTEM).unsent() == []


@given(seed=st.integers(), days=st.integers(min_value=1, max_value=8))
def test_the_books_never_make_or_lose_money_and_come_back_the_same(
    tmp_path_factory: pytest.TempPathFactory, seed: int, days: int
) -> None:
    path = tmp_path_factory.mktemp("books") / "journal"
    chance = random.Random(seed)
    books = Books(path, BANKS, SYSTEM)
    for number in range(days):
        first, second = chance.randint(-800, 800), chance.randint(-800, 800)
        nets = [("KZ-A", first), ("KZ-B", second), ("KZ-C", -first - second)]
        books.carry_out(f"M{number}", day(*[line for line in nets if line[1]]))
        assert sum(books.balances.values()) == sum(BANKS.values())
        assert min(books.balances.values()) >= 0
    assert Books(path, BANKS, SYSTEM).balances == books.balances


def test_a_line_cut_off_by_a_crash_is_dropped(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    Journal(path).append({"number": 1})
    with path.open("ab") as file:
        file.write(b'{"number": 2')
    journal = Journal(path)
    assert list(journal.read()) == [{"number": 1}]
    journal.append({"number": 3})
    assert list(Journal(path).read()) == [{"number": 1}, {"number": 3}]


def test_a_rewritten_journal_goes_on(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    journal.append({"number": 1}, {"number": 2})
    journal.rewrite([{"number": 2}])
    journal.append({"number": 3})
    assert list(Journal(tmp_path / "journal").read()) == [{"number": 2}, {"number": 3}]
