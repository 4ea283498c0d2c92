"""Each family of models does what docs/families.md says of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from retailor.models.formats.prefixes import warn_unprompted
from retailor.testing.models import tiny_decoder
from retailor.train.objectives.causal_span import packed_rows
from tests.models.families import FAMILIES, FAST, Family
from tests.models.family_steps import HEADS, SLOW, STEPS, TOP, cell, cells_of, tried

PAGE = (Path(__file__).parent.parent.parent / "docs" / "families.md").read_text(encoding="utf-8")
QUICK = tuple(step for step in STEPS if step not in SLOW)


def holds(family: Family, place: Path, steps: tuple[str, ...]) -> None:
    found, told = tried(family, place, steps), cells_of(PAGE)[family.name]
    assert {step: cell(found.get(step)) for step in steps} == {step: told[step] for step in steps}
    for result in found.values():
        assert cell(result) != "no" or result in PAGE, (
            "python -m tests.models.family_steps > docs/families.md"
        )


@pytest.mark.parametrize("name", FAST)
def test_where_something_could_go_wrong_in_silence(name: str, tmp_path: Path) -> None:
    holds(next(family for family in FAMILIES if family.name == name), tmp_path, QUICK)


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_every_family_and_every_step(family: Family, tmp_path: Path) -> None:
    holds(family, tmp_path, STEPS)


def test_the_page_has_every_family_and_no_other() -> None:
    told = cells_of(PAGE)
    assert [*told] == [family.name for family in FAMILIES] and PAGE.startswith(TOP)
    same = [name for name, cells in told.items() if cells["same"] != "yes"]
    assert same == ["GTE with code of its own"] and set(HEADS) == set(STEPS)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("multilingual-e5-small", "query: "),
        ("models--intfloat--e5-base-v2/snapshots/0a1b", "query: "),
        ("nomic-embed-text-v1.5", "search_query: "),
        ("e5-mistral-7b", None),
        ("bge-small", None),
        ("e52-other", None),
    ],
)
def test_a_folder_that_keeps_its_familys_prefixes_to_itself_is_said(
    name: str, told: str | None, tmp_path: Path
) -> None:
    if told is None:
        warn_unprompted(tmp_path / name, {"query": "", "passage": ""})
        return
    warn_unprompted(tmp_path / name, {"query": told, "passage": ""})
    with pytest.warns(UserWarning, match=f"was taught with '{told}' before a query"):
        warn_unprompted(tmp_path / name, {"query": "", "passage": ""})


def test_a_mark_that_is_number_nought_begins_a_text() -> None:
    made = tiny_decoder()
    made.tokenizer.bos_token = made.tokenizer.convert_ids_to_tokens(0)
    assert made.tokenizer.bos_token_id == 0 != made.tokenizer.eos_token_id
    assert made.plain(["a mug"], max_tokens=9)["input_ids"][0, 0] == 0
    assert packed_rows(made.tokenizer, ["a mug"], 9)[0][0] == 0
    assert made.prompt_ids([""], room=9) == [[0]]
