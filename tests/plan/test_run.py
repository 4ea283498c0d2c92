"""A finished run is opened; anything else is a clear error."""

from __future__ import annotations

from pathlib import Path

import pytest

from retailor.errors import DataError
from retailor.plan.run import open_run


def test_a_folder_without_a_finished_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no finished run here"):
        open_run(tmp_path)
    (tmp_path / "run.json").write_text("{", encoding="utf-8")
    with pytest.raises(DataError, match=r"run\.json: the record is corrupt"):
        open_run(tmp_path)
