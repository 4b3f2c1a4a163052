"""Netting: nothing is lost, nothing is made, and few transfers settle it all."""

import itertools
import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from senim.roles.payments.rules import netting, obligation_file
from senim.roles.payments.rules.obligation_file import ObligationFileInvalid

CODES = [f"B{index:02}" for index in range(20)]
PAIRS = st.tuples(st.sampled_from(CODES), st.sampled_from(CODES)).filter(lambda pair: pair[0] != pair[1])
OBLIGATIONS = st.dictionaries(PAIRS, st.integers(min_value=1, max_value=10**18), max_size=60)


@pytest.mark.clause("PS-7.7")
@given(obligations=OBLIGATIONS)
def test_positions_sum_to_zero_and_lose_no_obligation(obligations: dict[tuple[str, str], int]) -> None:
    result = netting.net(obligations)
    assert sum(position.net_tiyn for position in result.positions) == 0
    for position in result.positions:
        code = position.participant
        assert position.owes_tiyn == sum(amount for (payer, _), amount in obligations.items() if payer == code)
        assert position.owed_tiyn == sum(amount for (_, payee), amount in obligations.items() if payee == code)


@pytest.mark.clause("PS-7.7")
@given(obligations=OBLIGATIONS)
def test_transfers_bring_every_position_to_zero(obligations: dict[tuple[str, str], int]) -> None:
    result = netting.net(obligations)
    left = {position.participant: position.net_tiyn for position in result.positions}
    debtors = {code for code, net_tiyn in left.items() if net_tiyn < 0}
    creditors = {code for code, net_tiyn in left.items() if net_tiyn > 0}
    for transfer in result.transfers:
        assert transfer.amount_tiyn > 0
        assert transfer.payer in debtors
        assert transfer.payee in creditors
        left[transfer.payer] += transfer.amount_tiyn
        left[transfer.payee] -= transfer.amount_tiyn
    assert set(left.values()) <= {0}
    assert len(result.transfers) <= max(len(debtors) + len(creditors) - 1, 0)
    assert result.settled_tiyn <= result.gross_tiyn


@given(obligations=OBLIGATIONS, seed=st.integers())
def test_the_order_of_obligations_does_not_matter(obligations: dict[tuple[str, str], int], seed: int) -> None:
    items = list(obligations.items())
    random.Random(seed).shuffle(items)
    assert netting.net(dict(items)) == netting.net(obligations)


@given(obligations=OBLIGATIONS)
def test_an_offset_is_the_smaller_of_two_counter_claims(obligations: dict[tuple[str, str], int]) -> None:
    offsets = netting.net(obligations).offsets
    for offset in offsets:
        assert offset.first_owes_tiyn == obligations[offset.first, offset.second]
        assert offset.second_owes_tiyn == obligations[offset.second, offset.first]
        assert offset.offset_tiyn == min(offset.first_owes_tiyn, offset.second_owes_tiyn)
    mutual = {frozenset(pair) for pair in obligations if pair[::-1] in obligations}
    assert {frozenset((offset.first, offset.second)) for offset in offsets} == mutual


def fewest_transfers(amounts: list[int]) -> int:
    """The least number of transfers, found by trying every partition into groups that sum to zero."""

    def most_groups(left: tuple[int, ...]) -> int:
        if not left:
            return 0
        first, rest = left[0], left[1:]
        best = -len(amounts)
        for size in range(len(rest) + 1):
            for chosen in itertools.combinations(range(len(rest)), size):
                if first + sum(rest[index] for index in chosen) == 0:
                    others = tuple(amount for index, amount in enumerate(rest) if index not in chosen)
                    best = max(best, 1 + most_groups(others))
        return best

    return len(amounts) - most_groups(tuple(amounts))


@given(nets=st.lists(st.integers(min_value=-4, max_value=4), min_size=1, max_size=6))
def test_among_few_participants_no_smaller_number_of_transfers_exists(nets: list[int]) -> None:
    balanced = [amount for amount in [*nets, -sum(nets)] if amount]
    positions = {CODES[index]: amount for index, amount in enumerate(balanced)}
    assert len(netting.settlement_transfers(positions)) == fewest_transfers(balanced)


def test_many_participants_are_settled_with_fewer_transfers_than_participants() -> None:
    positions = {f"P{index:03}": index - 100 for index in range(201)}
    transfers = netting.settlement_transfers(positions)
    assert len(transfers) <= 199
    assert sum(transfer.amount_tiyn for transfer in transfers) == sum(range(1, 101))


def test_a_small_day_by_hand() -> None:
    result = netting.net({("A", "B"): 100, ("B", "A"): 40, ("B", "C"): 60, ("C", "A"): 10})
    assert [(p.participant, p.net_tiyn) for p in result.positions] == [("A", -50), ("B", 0), ("C", 50)]
    assert [(o.first, o.second, o.offset_tiyn) for o in result.offsets] == [("A", "B", 40)]
    assert result.transfers == (netting.Transfer("A", "C", 50),)
    assert (result.gross_tiyn, result.settled_tiyn) == (210, 50)


def test_a_day_without_interbank_operations_has_nothing_to_settle() -> None:
    assert netting.net({}) == netting.Netting((), (), ())


@pytest.mark.parametrize("amount_tiyn", [0, -1, True, 1.5, "7"])
def test_only_positive_integers_are_obligations(amount_tiyn: object) -> None:
    with pytest.raises(netting.ObligationInvalid):
        netting.net({("A", "B"): amount_tiyn})  # type: ignore[dict-item]  # what the guard is for


def test_nobody_owes_itself() -> None:
    with pytest.raises(netting.ObligationInvalid):
        netting.net({("A", "A"): 5})


def test_an_obligation_file_adds_up_equal_pairs_and_reads_both_spellings_of_an_amount() -> None:
    text = '[{"payer":"A","payee":"B","amount":1250},{"payer":"A","payee":"B","amount":"0.5"}]'
    assert obligation_file.parse(text) == {("A", "B"): 1300}


@given(tiyn=st.integers(min_value=1, max_value=10**30))
def test_an_amount_is_the_same_as_integer_and_as_decimal(tiyn: int) -> None:
    decimal = f"{tiyn // 100}.{tiyn % 100:02}"
    both = json.dumps([{"payer": "A", "payee": "B", "amount": tiyn}, {"payer": "B", "payee": "A", "amount": decimal}])
    assert obligation_file.parse(both) == {("A", "B"): tiyn, ("B", "A"): tiyn}


@pytest.mark.parametrize(
    ("item", "field"),
    [
        ('{"payer":"A","payee":"B"}', "amount"),
        ('{"payer":"A","payee":"B","amount":12.5}', "amount"),
        ('{"payer":"A","payee":"B","amount":1e3}', "amount"),
        ('{"payer":"A","payee":"B","amount":"1,50"}', "amount"),
        ('{"payer":"A","payee":"B","amount":"0.001"}', "amount"),
        ('{"payer":"A","payee":"B","amount":"٣"}', "amount"),
        ('{"payer":"A","payee":"B","amount":0}', "amount"),
        ('{"payer":"A","payee":"B","amount":"0.00"}', "amount"),
        ('{"payer":"A","payee":"B","amount":-4}', "amount"),
        ('{"payer":"A","payee":"B","amount":true}', "amount"),
        ('{"payer":"A","payee":"B","amount":null}', "amount"),
        ('{"payer":7,"payee":"B","amount":1}', "payer"),
        ('{"payer":" ","payee":"B","amount":1}', "payer"),
        ('{"payer":"A","payee":"\\ud800","amount":1}', "payee"),
        ('{"payer":"A","payee":"A","amount":1}', "payee"),
        ('{"payer":"A","payee":"B","amount":1,"currency":"KZT"}', "currency"),
        ("[]", None),
        ("null", None),
    ],
)
def test_a_bad_item_is_named_by_index_and_field(item: str, field: str | None) -> None:
    with pytest.raises(ObligationFileInvalid) as caught:
        obligation_file.parse(f'[{{"payer":"A","payee":"B","amount":1}},{item}]')
    assert caught.value.fields == {"index": 1, "field": field}
    assert "Item 1" in caught.value.message


@pytest.mark.parametrize(
    "text", ["", "{}", "[1,\n2", "[NaN]", "[" * 100_000, "[" + "9" * 5000 + "]", '[{"a":1,"a":2}]']
)
def test_what_is_not_a_list_of_obligations_is_refused(text: str) -> None:
    with pytest.raises(ObligationFileInvalid):
        obligation_file.parse(text)


def test_broken_json_is_named_by_its_line() -> None:
    with pytest.raises(ObligationFileInvalid) as caught:
        obligation_file.parse('[\n {"payer": "A",\n  "payee" "B"}\n]')
    assert caught.value.fields["line"] == 3
