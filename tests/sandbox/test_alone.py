"""One data folder holds one market."""

import fcntl
import os
from dataclasses import replace
from pathlib import Path

import pytest

from senim.runtime.config import load
from senim.runtime.processes import open_lock, try_lock
from senim.sandbox import market
from senim.sandbox.layout import Layout


def test_a_second_market_in_the_same_folder_is_refused_before_it_touches_anything(tmp_path: Path) -> None:
    config = replace(load(), data_dir=tmp_path)
    root = Layout(tmp_path, config.port).root
    root.mkdir()
    lock = open_lock(root / market.LOCK)
    try:
        assert try_lock(lock, fcntl.LOCK_EX)
        with pytest.raises(market.MarketRunsError, match=r"runs in .* already"):
            market.run(config, market.Options())
    finally:
        os.close(lock)
    assert [file.name for file in root.iterdir()] == [market.LOCK]


def test_a_folder_that_cannot_be_made_is_told_with_the_remedy() -> None:
    with pytest.raises(market.DataFolderError, match="SENIM_DATA_DIR"):
        market.run(replace(load(), data_dir=Path("/proc/nowhere")), market.Options())
