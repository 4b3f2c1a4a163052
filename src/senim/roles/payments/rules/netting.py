"""Multilateral netting: from what banks owe each other to what each of them pays or receives (PS-7.7).

Pure. Amounts are integers of tiyn; participants are named by their codes. The result does not depend on the order in
which obligations are given, so that any two runs over the same day agree to the tiyn.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from senim.errors import BadInput

EXACT_PARTICIPANTS_MAX = 12
"""Up to so many unbalanced participants the fewest transfers are found exactly: the search visits 2^n groups."""

Pair = tuple[str, str]
"""(payer, payee)."""


class ObligationInvalid(BadInput):
    """An obligation must be a positive amount that one participant owes another."""

    code = "payments.obligation_invalid"


@dataclass(frozen=True, slots=True)
class Position:
    """What a participant is owed and what it owes, in tiyn."""

    participant: str
    owed_tiyn: int
    owes_tiyn: int

    @property
    def net_tiyn(self) -> int:
        """Positive: to be received; negative: to be paid."""
        return self.owed_tiyn - self.owes_tiyn


@dataclass(frozen=True, slots=True)
class Offset:
    """Two participants' counter-claims: the smaller one extinguishes an equal part of the larger one.

    ``first`` and ``second`` are in the order of their codes; ``offset_tiyn`` is what vanishes on both sides.
    """

    first: str
    second: str
    first_owes_tiyn: int
    second_owes_tiyn: int

    @property
    def offset_tiyn(self) -> int:
        """The part that is extinguished on each side."""
        return min(self.first_owes_tiyn, self.second_owes_tiyn)


@dataclass(frozen=True, slots=True)
class Transfer:
    """Money that one participant with a debit position sends to one with a credit position."""

    payer: str
    payee: str
    amount_tiyn: int


@dataclass(frozen=True, slots=True)
class Netting:
    """The outcome of a day. ``positions`` is in the order of the participants' codes and sums to zero."""

    positions: tuple[Position, ...]
    offsets: tuple[Offset, ...]
    transfers: tuple[Transfer, ...]

    @property
    def gross_tiyn(self) -> int:
        """All obligations together, as if each were paid separately."""
        return sum(position.owes_tiyn for position in self.positions)

    @property
    def settled_tiyn(self) -> int:
        """What really has to move."""
        return sum(transfer.amount_tiyn for transfer in self.transfers)


def net(obligations: Mapping[Pair, int]) -> Netting:
    """Offset mutual obligations, in tiyn by (payer, payee), and say who pays whom the remainder.

    Raises:
        ObligationInvalid: an amount is not a positive integer, or a participant owes itself.
    """
    check(obligations)
    positions = net_positions(obligations)
    transfers = settlement_transfers({position.participant: position.net_tiyn for position in positions})
    netting = Netting(positions, bilateral_offsets(obligations), transfers)
    assert sum(position.net_tiyn for position in positions) == 0, "net positions sum to zero"
    assert netting.gross_tiyn == sum(obligations.values()), "every obligation is in exactly one position on each side"
    return netting


def check(obligations: Mapping[Pair, int]) -> None:
    """Refuse what is not an obligation between two participants. Raises ObligationInvalid."""
    for (payer, payee), amount_tiyn in obligations.items():
        if payer == payee:
            raise ObligationInvalid("A participant cannot owe itself.", payer=payer, payee=payee)
        # bool is an int in Python, and True tenge is nobody's debt.
        if type(amount_tiyn) is not int or amount_tiyn <= 0:
            raise ObligationInvalid(payer=payer, payee=payee, amount_tiyn=amount_tiyn)


def net_positions(obligations: Mapping[Pair, int]) -> tuple[Position, ...]:
    """Each participant's position, in the order of codes."""
    owed: defaultdict[str, int] = defaultdict(int)
    owes: defaultdict[str, int] = defaultdict(int)
    for (payer, payee), amount_tiyn in obligations.items():
        owes[payer] += amount_tiyn
        owed[payee] += amount_tiyn
    return tuple(Position(code, owed[code], owes[code]) for code in sorted(owed.keys() | owes.keys()))


def bilateral_offsets(obligations: Mapping[Pair, int]) -> tuple[Offset, ...]:
    """The counter-claims of every two participants that owe each other, in the order of codes."""
    pairs = sorted((payer, payee) for payer, payee in obligations if payer < payee and (payee, payer) in obligations)
    return tuple(Offset(a, b, obligations[a, b], obligations[b, a]) for a, b in pairs)


def settlement_transfers(net_tiyn: Mapping[str, int]) -> tuple[Transfer, ...]:
    """Transfers that bring every position to zero: the fewest possible among up to ``EXACT_PARTICIPANTS_MAX``.

    A group of k participants whose positions sum to zero needs at most k - 1 transfers; so the more such groups the
    positions fall into, the fewer the transfers. Above the limit all make one group: at most n - 1 transfers.
    """
    assert sum(net_tiyn.values()) == 0, "only positions that sum to zero can be settled among themselves"
    unbalanced = {code: net_tiyn[code] for code in sorted(net_tiyn) if net_tiyn[code]}
    groups = zero_sum_groups(unbalanced) if len(unbalanced) <= EXACT_PARTICIPANTS_MAX else [list(unbalanced)]
    transfers = [transfer for group in groups for transfer in _settle_group({code: unbalanced[code] for code in group})]
    assert len(transfers) <= max(len(unbalanced) - 1, 0), "a group of k participants takes at most k - 1 transfers"
    return tuple(sorted(transfers, key=lambda transfer: (transfer.payer, transfer.payee)))


def zero_sum_groups(net_tiyn: Mapping[str, int]) -> list[list[str]]:
    """Split the participants into as many groups with a zero sum as there can be.

    Walks all subsets, smallest first: the best chain of prefix sums through a subset passes zero as often as there are
    groups in it. Time is n * 2^n, which for 12 participants is 50 thousand steps.
    """
    codes = list(net_tiyn)
    sums, zeros, last_added = [0], [0], [-1]
    for subset in range(1, 1 << len(codes)):
        lowest = (subset & -subset).bit_length() - 1
        sums.append(sums[subset & (subset - 1)] + net_tiyn[codes[lowest]])
        members = (index for index in range(len(codes)) if subset >> index & 1)
        best = max(members, key=lambda index: (zeros[subset ^ (1 << index)], -index))
        last_added.append(best)
        zeros.append(zeros[subset ^ (1 << best)] + (sums[subset] == 0))
    groups: list[list[str]] = []
    subset = (1 << len(codes)) - 1
    while subset:
        if sums[subset] == 0:
            groups.append([])
        groups[-1].append(codes[last_added[subset]])
        subset ^= 1 << last_added[subset]
    return groups


def _settle_group(net_tiyn: Mapping[str, int]) -> Iterable[Transfer]:
    """The largest debtor pays the largest creditor until all are at zero; each transfer brings at least one there."""
    left = dict(net_tiyn)
    while any(left.values()):
        payer = min(left, key=lambda code: (left[code], code))
        payee = min(left, key=lambda code: (-left[code], code))
        amount_tiyn = min(-left[payer], left[payee])
        left[payer] += amount_tiyn
        left[payee] -= amount_tiyn
        yield Transfer(payer, payee, amount_tiyn)
