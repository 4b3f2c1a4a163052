"""A close that is killed (kill -9) at any point is finished by the next run, and nothing is done twice."""

import signal
from typing import Any

import pytest
from tests.roles.payments.closing import Market, rows
from tests.roles.payments.closing_process import AFTER, BEFORE, Point, close_in_a_process, run_close

from senim.kernel.delivery.models import Outgoing
from senim.roles.payments.models import MessageFile, ParticipantReport, SettlementInstruction

pytestmark = pytest.mark.django_db
DAY, SETTLEMENT, REPORTS = (f"senim.roles.payments.services.{name}" for name in ("day", "settlement", "reports"))
POINTS: list[Point] = [
    (DAY, "close", BEFORE),
    (DAY, "_open", BEFORE),
    (DAY, "_open", AFTER),
    (DAY, "close", AFTER),
    (DAY, "net", BEFORE),
    (DAY, "check_against_ledger", AFTER),
    (DAY, "_keep", AFTER),
    (DAY, "net", AFTER),
    (SETTLEMENT, "_send", BEFORE),
    (SETTLEMENT, "_render", AFTER),
    (SETTLEMENT, "_deliver", BEFORE),
    (SETTLEMENT, "_deliver", AFTER),
    (SETTLEMENT, "instruct", AFTER),
    (SETTLEMENT, "post_finally", BEFORE),
    ("senim.ledger", "post", AFTER),
    (SETTLEMENT, "post_finally", AFTER),
    (SETTLEMENT, "_finish", BEFORE),
    (SETTLEMENT, "_finish", AFTER),
    (REPORTS, "report_to", BEFORE),
    ("senim.roles.payments.services.report_forms", "xlsx_bytes", AFTER),
    (REPORTS, "_keep_and_send", AFTER),
    (REPORTS, "report_to", AFTER),
    (REPORTS, "_finish", BEFORE),
    (REPORTS, "_finish", AFTER),
]


def outcome(market: Market) -> dict[str, Any]:
    """Everything that must be the same however often the close was interrupted."""
    return {
        "day": rows(
            "SELECT day, state, operation_count, operation_amount_tiyn, trouble FROM payments_operatingday ORDER BY 1"
        ),
        "obligations": rows(
            "SELECT payer_id, payee_id, operations, amount_tiyn FROM payments_obligation ORDER BY 1, 2"
        ),
        "positions": rows("SELECT participant_id, net_tiyn FROM payments_position ORDER BY 1"),
        "instructions": rows(
            "SELECT instruction_id, net_tiyn, state, posting_id FROM payments_settlementinstruction ORDER BY 1"
        ),
        "postings": rows("SELECT id, amount FROM ledger_transfer WHERE code = 12 AND failed_status IS NULL ORDER BY 1"),
        "files": rows("SELECT direction, message_id FROM payments_messagefile ORDER BY 1, 2"),
        "reports": rows("SELECT participant_id, form FROM payments_participantreport ORDER BY 1, 2"),
        "sent": rows("SELECT kind, filename, count(*) FROM delivery_outgoing GROUP BY 1, 2 ORDER BY 1, 2"),
        "steps": rows(
            "SELECT name, record_id FROM events_event WHERE outcome = 'succeeded' AND name LIKE 'payments.%' "
            "ORDER BY 1, 2"
        ),
        "clearing": [market.clearing_net(slug) for slug in market.banks],
        "mirrors": [market.mirror(slug) for slug in market.banks],
    }


@pytest.mark.parametrize("point", POINTS, ids=lambda point: ".".join((point[0].rpartition(".")[2], *point[1:])))
def test_killed_here_the_close_ends_as_if_nothing_had_happened(market: Market, own_database: str, point: Point) -> None:
    market.busy(60)
    codes: list[int] = []

    def run() -> None:
        is_alive = -signal.SIGKILL not in codes
        codes.append(close_in_a_process(own_database, point if is_alive else None, market.day, market.ended()))

    run()
    run()
    market.answer(answer_id="ANSWER-1")
    run()
    run()
    assert sorted(codes) == [-signal.SIGKILL, 0, 0, 0]
    check_a_finished_close(market, outcome(market))


def check_a_finished_close(market: Market, ended: dict[str, Any]) -> None:
    """A close that ended well, and once."""
    assert ended["day"][0][1] == "reported"
    assert ended["day"][0][2:] == (
        60,
        sum(amount for (amount,) in rows("SELECT amount_tiyn FROM payments_operation")),
        "",
    )
    assert [state for _, state, *_ in ended["day"]] == ["reported", "open"]
    assert ended["clearing"] == [0, 0, 0]
    assert sum(ended["mirrors"]) == 0
    assert len(ended["positions"]) == len(ended["instructions"]) == len(ended["postings"]) == 3
    assert ended["files"] == [("in", "ANSWER-1"), ("out", f"STL{market.day:%Y%m%d}-01")]
    assert len(ended["reports"]) == 6
    assert [count for *_, count in ended["sent"]] == [1] * 7
    assert [name for name, _ in ended["steps"] if name.startswith("payments.day.")] == [
        "payments.day.close",
        "payments.day.instruct",
        "payments.day.net",
        "payments.day.report",
        "payments.day.settle",
    ]


def test_an_uninterrupted_close_is_the_measure(market: Market) -> None:
    market.busy(60)
    run_close(market.day.isoformat(), market.ended())
    market.answer(answer_id="ANSWER-1")
    run_close(market.day.isoformat(), market.ended())
    check_a_finished_close(market, outcome(market))


def test_killed_over_and_over_it_still_ends_and_counts_once(market: Market, own_database: str) -> None:
    market.busy(60)
    deaths = 0
    for point in [*POINTS, None, None]:
        deaths += close_in_a_process(own_database, point, market.day, market.ended()) == -signal.SIGKILL
        sent, answered = (MessageFile.objects.filter(direction=way).exists() for way in ("out", "in"))
        if sent and not answered:
            market.answer(answer_id="ANSWER-1")
    assert deaths > 15
    check_a_finished_close(market, outcome(market))
    assert SettlementInstruction.objects.count() == 3
    assert Outgoing.objects.count() == 1 + ParticipantReport.objects.count()
