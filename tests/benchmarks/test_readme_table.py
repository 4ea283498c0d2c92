"""The pages follow from the files: one system is Retailor, settings are named, what is stale is marked."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parent.parent.parent / "benchmarks"


@pytest.fixture
def pages(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import readme_table

    return readme_table


def result(name: str, rows: dict[str, float], metric: str, **more: Any) -> dict[str, Any]:
    found = [
        {"row": row, "metric": metric, "value": value, "low": None, "high": None, "n": 7}
        for row, value in rows.items()
    ]
    told = {"benchmark": name, "command": f"python benchmarks/{name}.py", "commit": "0123abcd", "seeds": [0]}
    return {**told, "machine": "m", "date": "2026-11-28", "canary": "song", "rows": found, **more}


def test_what_has_a_setting_names_it_and_the_default_is_retailor(pages: ModuleType) -> None:
    rows = {"retailor": 0.1, pages.TUNED: 0.2, "popularity": 0.01}
    table = pages.claims({"recommend_beauty": result("recommend_beauty", rows, "ndcg@10")})
    lines = [line for line in table.splitlines() if "Beauty" in line]
    assert len(lines) == 2 and "docs/log.md, 2026-11-24" in lines[0]
    assert "| **Retailor** | **0.1000** |" in lines[0]
    assert "| Retailor with tuning.steps = 400 | **0.2000** |" in lines[1] and "popularity 0.0100" in lines[1]


def test_a_row_that_is_not_the_default_never_stands_as_retailor(pages: ModuleType) -> None:
    for claim in pages.CLAIMS:
        default = (
            claim.ours in ("retailor", "candidates") or "ranked by" in claim.ours or "rows" in claim.ours
        )
        named = claim.setting or default or "against sentence-transformers" in claim.ours
        assert named, claim
    scale = [claim for claim in pages.CLAIMS if claim.benchmark.startswith("recommend_scale")]
    assert scale and all("simulated" in claim.what for claim in scale)


def test_rows_of_before_canaries_are_shown_by_what_they_are(pages: ModuleType) -> None:
    old = result("encode_speed", {"retailor": 2.1}, "times_faster", canary=None)
    (line,) = [line for line in pages.claims({"encode_speed": old}).splitlines() if "encoding" in line]
    assert "in float32" in line and "stale: made before canaries" in line
    new = {**old, "canary": "song"}
    assert "encoding" not in pages.claims({"encode_speed": new})


def test_a_stale_mark_comes_and_goes_with_the_canary(
    pages: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = {"search_icecat": result("search_icecat", {"retailor": 0.7}, "ndcg@10")}
    monkeypatch.setattr(pages.canaries, "stale", lambda result: "")
    fresh = pages.claims(told), pages.every_row(told)
    assert "`0123abc` |" in fresh[0] and "Stale" not in fresh[1]
    monkeypatch.setattr(pages.canaries, "stale", lambda result: "the figures changed at 4567def")
    assert "stale: the figures changed at 4567def" in pages.claims(told)
    assert "**Stale: the figures changed at 4567def.**" in pages.every_row(told)


def test_faults_of_files_are_told(pages: ModuleType) -> None:
    fine = {"search_icecat": result("search_icecat", {}, "ndcg@10")}
    assert not list(pages.faults(fine))
    renamed = {"search_other": fine["search_icecat"]}
    dirty = {"search_icecat": {**fine["search_icecat"], "commit": "0123abc+"}}
    assert len(list(pages.faults(renamed))) == 2 and len(list(pages.faults(dirty))) == 1


def test_a_changed_figure_changes_a_page(pages: ModuleType) -> None:
    paths = sorted((BENCHMARKS / "results").glob("*.json"))
    results = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in paths}
    readme = (BENCHMARKS.parent / "README.md").read_text(encoding="utf-8")
    other = copy.deepcopy(results)
    other["search_icecat"]["rows"][0]["value"] += 0.01
    assert pages.pages(readme, results) != pages.pages(readme, other)


def test_the_paragraph_says_gain_level_and_loss_by_the_intervals(pages: ModuleType) -> None:
    shares = {"new": (0.1, 0.02, 0.17), "same": (0.01, -0.03, 0.05), "worse": (-0.2, -0.3, -0.1)}
    rows = [
        {"row": "share", "metric": "gain", "bucket": name, "value": v, "low": low, "high": high, "n": 1500}
        for name, (v, low, high) in shares.items()
    ]
    told = pages.where_it_pays({"where_it_pays": {**result("where_it_pays", {}, "gain"), "rows": rows}})
    more, level, less = told.split(". Elsewhere ")
    assert more.endswith("without one: new +10% (+2% to +17%, n 1,500)")
    assert level == "it cannot be told from the best of them: same +1% (-3% to +5%, n 1,500)"
    assert less == "words are better: worse -20% (-30% to -10%, n 1,500).\n\n"
    assert pages.where_it_pays({}) == ""
