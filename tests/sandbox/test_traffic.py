"""The invented day looks like one, and the world behind it holds together."""

import datetime as dt
import random
import statistics
from collections import Counter
from pathlib import Path

from senim.kernel.values import almaty, bin_iin, iban
from senim.roles.payments.rules.kinds import Kind
from senim.sandbox import traffic, world
from senim.sandbox.simulators.outbox import Begun, Outbox

OWN = list(world.customers(world.BANKS[0], 1_000))
FOREIGN = list(world.customers(world.BANKS[1], 1_000))
DIRECTORY = traffic.Directory(
    people=[c.iban for c in OWN if c.kind == "person" and not c.is_closed],
    shops=[c.iban for c in OWN if c.kind == "shop" and not c.is_closed],
    closed=[c.iban for c in OWN if c.is_closed],
    foreign_people=[c.iban for c in FOREIGN if c.kind == "person" and not c.is_closed],
    foreign_shops=[c.iban for c in FOREIGN if c.kind == "shop" and not c.is_closed],
)


def test_numbers_of_the_invented_world_are_well_formed_and_its_own() -> None:
    banks = (*world.BANKS, world.SETTLEMENT_BANK)
    assert all(bin_iin.is_valid_bin(bank.bin) and iban.is_valid(bank.settlement_account) for bank in banks)
    assert len({bank.bank_code for bank in banks} | {bank.bic for bank in banks}) == 2 * len(banks)
    assert all(bank.net_debit_cap_tiyn <= bank.collateral_tiyn for bank in banks)
    assert all(iban.is_valid(customer.iban) and iban.bank_code(customer.iban) == "901" for customer in OWN)
    assert len({customer.iban for customer in OWN}) == len(OWN)


def test_the_world_is_the_same_every_time() -> None:
    assert list(world.customers(world.BANKS[2], 200)) == list(world.customers(world.BANKS[2], 200))


def test_lunch_is_busier_than_night_and_the_night_is_not_dead() -> None:
    def rate(hour: int) -> float:
        return traffic.per_second(10, dt.datetime(2026, 11, 20, hour, 30, tzinfo=almaty.ALMATY))

    assert rate(13) > 3 * rate(4)
    assert rate(4) >= 10 * traffic.VISIBLE_MIN
    assert 8 < statistics.mean(rate(hour) for hour in range(24)) < 12


def test_kinds_and_sums_are_those_of_a_market() -> None:
    chance = random.Random(1)
    made = [traffic.operation(DIRECTORY, chance) for _ in range(20_000)]
    kinds = Counter(operation.kind for operation in made)
    assert kinds[Kind.PURCHASE] > kinds[Kind.TRANSFER] > kinds[Kind.TOP_UP] > kinds[Kind.CASH_WITHDRAWAL] > 1_000
    purchases = [operation.amount_tiyn for operation in made if operation.kind == Kind.PURCHASE]
    median, mean = statistics.median(purchases), statistics.mean(purchases)
    assert 300_000 < median < 600_000  # about 4,200 tenge
    assert mean > 1.4 * median  # a long tail
    assert all(operation.amount_tiyn > 0 for operation in made)
    assert all((operation.debit_account == "") == (operation.kind == Kind.TOP_UP) for operation in made)
    assert all((operation.credit_account == "") == (operation.kind == Kind.CASH_WITHDRAWAL) for operation in made)
    assert all(operation.debit_account != operation.credit_account for operation in made)


def test_some_operations_are_meant_to_fail_and_some_are_asked_twice() -> None:
    chance = random.Random(2)
    made = [traffic.operation(DIRECTORY, chance) for _ in range(20_000)]
    closed = sum(1 for operation in made if {operation.debit_account, operation.credit_account} & set(DIRECTORY.closed))
    mistyped = sum(
        1
        for operation in made
        if any(side and not iban.is_valid(side) for side in (operation.debit_account, operation.credit_account))
    )
    assert 40 < closed < 140
    assert 20 < mistyped < 120
    assert 120 < sum(operation.is_repeated for operation in made) < 400


def test_salaries_are_paid_by_shops_to_people_here_and_elsewhere() -> None:
    lines = traffic.salaries(DIRECTORY, 200, random.Random(3))
    assert {line.debit_account for line in lines} <= set(DIRECTORY.shops)
    assert any(iban.bank_code(line.credit_account) == "902" for line in lines)
    assert {line.kind for line in lines} == {Kind.TRANSFER}


def test_an_operation_without_an_answer_survives_a_crash_and_an_answered_one_does_not_come_back(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox")
    outbox.begin(Begun("1", b'{"amount":"1.00"}'))
    outbox.begin(Begun("2", '{"name":"Әлия"}'.encode()))
    outbox.finish("1")
    assert Outbox(tmp_path / "outbox").open() == [Begun("2", '{"name":"Әлия"}'.encode())]
