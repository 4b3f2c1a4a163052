"""The invented world of the sandbox: banks, people and shops that do not exist, the same in every sandbox.

Names of banks are plainly fictitious. BINs, BICs, bank codes and IBANs are invented too; their check digits are right.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from senim.kernel.values import bin_iin, iban

SEED: Final = 20261120
TENGE: Final = 100
MILLION_TENGE: Final = 1_000_000 * TENGE


@dataclass(frozen=True, slots=True)
class Bank:
    """A bank of the market. ``slug`` names its folder, its process and its delivery peer; sums are in tiyn."""

    slug: str
    name_kk: str
    name_ru: str
    name_en: str
    bic: str
    bank_code: str
    bin: str
    settlement_account: str
    collateral_tiyn: int
    net_debit_cap_tiyn: int
    share: int


@dataclass(frozen=True, slots=True)
class Customer:
    """A client of a bank and its account. ``kind`` is person or shop."""

    iban: str
    holder: str
    kind: str
    opening_tiyn: int
    is_closed: bool


def _bin(first_eleven: str) -> str:
    digit = bin_iin.check_digit(first_eleven)
    assert digit is not None, f"no BIN begins with {first_eleven}"
    return f"{first_eleven}{digit}"


SETTLEMENT_BANK_CODE: Final = "904"


def _bank(
    slug: str, names: tuple[str, str, str], bic: str, code: str, number: int, cap_millions: int, share: int
) -> Bank:
    return Bank(
        slug=slug,
        name_kk=names[0],
        name_ru=names[1],
        name_en=names[2],
        bic=bic,
        bank_code=code,
        bin=_bin(f"0901400{number:04d}"),
        # Each bank keeps its settlement account at the settlement bank, so the IBAN carries that bank's code.
        settlement_account=iban.make(SETTLEMENT_BANK_CODE, f"KZT{number:010d}"),
        collateral_tiyn=cap_millions * MILLION_TENGE * 5 // 4,
        net_debit_cap_tiyn=cap_millions * MILLION_TENGE,
        share=share,
    )


BANKS: Final = (
    _bank("astau", ("«Астау» банкі", "Банк «Астау»", "Astau Bank"), "ASTUKZKA", "901", 1201, 2_000, 45),
    _bank("dala", ("«Дала» банкі", "Банк «Дала»", "Dala Bank"), "DALAKZKA", "902", 1302, 1_500, 35),
    _bank("zhailau", ("«Жайлау» банкі", "Банк «Жайлау»", "Zhailau Bank"), "ZHLUKZKA", "903", 1403, 800, 20),
)
SETTLEMENT_BANK: Final = _bank(
    "tumar",
    ("«Тұмар» есеп айырысу банкі", "Расчётный банк «Тұмар»", "Tumar Settlement Bank"),
    "TUMRKZKA",
    "904",
    1504,
    0,
    0,
)

_GIVEN_WOMEN: Final = ("Айгүл", "Әсел", "Гүлнар", "Дана", "Жанар", "Зере", "Қарлығаш", "Мәдина", "Сәуле", "Томирис")
_GIVEN_MEN: Final = ("Арман", "Бауыржан", "Дәурен", "Ерлан", "Жандос", "Қайрат", "Нұрлан", "Олжас", "Тимур", "Шыңғыс")
_FAMILY: Final = ("Ағатай", "Бұлақты", "Дархан", "Жазира", "Көкше", "Қорқыт", "Мұнар", "Самал", "Тоғай", "Шалқар")
_SHOPS: Final = (
    "«Алма» дүкені", "«Дастарқан» асханасы", "«Самал» дәріханасы", "«Көктем» гүлдері", "«Дала» жанармай бекеті",
    "«Сандық» кітап дүкені", "«Жаннат» шаштаразы", "«Бұлақ» суы", "«Қазына» базары", "«Керуен» таксиі",
    "«Ұшқын» электроникасы", "«Нан» наубайханасы",
)  # fmt: skip
SHOP_EVERY: Final = 25
CLOSED_EVERY: Final = 211


def customers(bank: Bank, count: int) -> Iterator[Customer]:
    """The bank's clients, the same at every call: mostly people, one in 25 a shop, a few closed accounts.

    Opening balances are log-normal like: many with little, a few with much.
    """
    chance = random.Random(f"{SEED}/{bank.slug}")
    for number in range(1, count + 1):
        is_shop = number % SHOP_EVERY == 0
        holder = _shop(number) if is_shop else _person(chance)
        median_tenge = 4_000_000 if is_shop else 650_000
        opening_tiyn = int(median_tenge * chance.lognormvariate(0, 0.8)) * TENGE
        is_closed = number % CLOSED_EVERY == 0
        account = iban.make(bank.bank_code, f"{bank.slug[:3].upper()}{number:010d}")
        yield Customer(account, holder, "shop" if is_shop else "person", 0 if is_closed else opening_tiyn, is_closed)


def _person(chance: random.Random) -> str:
    given = chance.choice(_GIVEN_WOMEN + _GIVEN_MEN)
    family = chance.choice(_FAMILY)
    return f"{given} {family}{'қызы' if given in _GIVEN_WOMEN else 'ұлы'}"


def _shop(number: int) -> str:
    return f"{_SHOPS[number // SHOP_EVERY % len(_SHOPS)]} № {number // SHOP_EVERY}"
