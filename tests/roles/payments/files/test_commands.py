"""``senim payments import`` and ``senim payments message check``."""

import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result
from tests.roles.payments.files.two_banks import Market
from tests.roles.payments.messages import samples

from senim.roles.payments.cli import files as file_commands
from senim.roles.payments.models import MessageFile


def run(command: Any, *arguments: object) -> tuple[Result, dict[str, Any]]:
    result = CliRunner().invoke(command, [*map(str, arguments), "--json"])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result, json.loads(result.stdout)


def written(folder: Path, content: bytes) -> Path:
    path = folder / "file.xml"
    path.write_bytes(content)
    return path


def test_import_finds_the_sender_by_the_file(market: Market, tmp_path: Path) -> None:
    path = written(tmp_path, market.file([market.payment(1), market.payment(2, creditor_account=market.of_b[2])]))
    answer = tmp_path / "answer.xml"
    result, outcome = run(file_commands.import_command, path, "--answer", answer)
    assert result.exit_code == 0
    assert (outcome["state"], outcome["participant"]) == ("recorded", market.a.code)
    assert (outcome["accepted"], outcome["refused"], outcome["reasons"]) == (1, 1, {"AC07": 1})
    assert outcome["refused_transactions"] == [{"index": 2, "end_to_end_id": "E2E-2", "reason": "AC07"}]
    assert b"FIToFIPmtStsRpt" in answer.read_bytes()
    again, same = run(file_commands.import_command, path)
    assert (again.exit_code, same) == (0, outcome)
    assert MessageFile.objects.count() == 2


def test_a_refused_file_ends_with_2_and_says_where(market: Market, tmp_path: Path) -> None:
    path = written(tmp_path, market.file([market.payment()]).replace(b"SLEV", b"NONE"))
    result, outcome = run(file_commands.import_command, path)
    assert result.exit_code == 2
    assert (outcome["state"], outcome["reason"], outcome["line"]) == ("refused", "FF01", 3)
    assert outcome["path"].endswith("CdtTrfTxInf[1]/ChrgBr")
    shown = CliRunner().invoke(file_commands.import_command, [str(path), "--participant", market.a.code])
    assert (shown.exit_code, "refused FF01" in shown.stdout) == (2, True)


def test_an_unknown_participant_is_bad_usage(market: Market, tmp_path: Path) -> None:
    path = written(tmp_path, market.file([market.payment()]))
    assert CliRunner().invoke(file_commands.import_command, [str(path), "--participant", "none"]).exit_code == 2
    assert CliRunner().invoke(file_commands.import_command, [str(tmp_path / "none.xml")]).exit_code == 2


@samples.needed
def test_real_messages_of_strangers_are_refused_transaction_by_transaction(market: Market) -> None:
    paths = samples.messages("pacs.008")
    for path in paths:
        result, outcome = run(file_commands.import_command, path)
        assert (result.exit_code, outcome["state"], outcome["reason"]) == (2, "refused", "RC01")
        assert outcome["reasons"] == {"AM03": 1}
    assert not MessageFile.objects.exists()
    seen = set()
    for path in paths:
        result, outcome = run(file_commands.import_command, path, "--participant", market.a.code)
        if outcome["message_id"] in seen:  # two scenarios use the same identification for different messages
            assert (result.exit_code, outcome["reason"]) == (2, "DU01")
        else:
            assert (result.exit_code, outcome["state"], outcome["reasons"]) == (0, "recorded", {"AM03": 1})
        seen.add(outcome["message_id"])


def test_check_tells_every_error(market: Market, tmp_path: Path) -> None:
    good = market.file([market.payment(1), market.payment(2)])
    result, outcome = run(file_commands.check, written(tmp_path, good))
    assert (result.exit_code, outcome["valid"], outcome["transactions"], outcome["control_sum"]) == (0, True, 2, "2.00")
    result, outcome = run(file_commands.check, written(tmp_path, good.replace(b"SLEV", b"NONE")))
    assert (result.exit_code, outcome["valid"]) == (2, False)
    assert [each["line"] for each in outcome["problems"]] == [3, 4]
    result, outcome = run(file_commands.check, written(tmp_path, b"no"))
    assert (result.exit_code, outcome["problems"][0]["reason"]) == (2, "FF01")
