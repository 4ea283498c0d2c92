"""People taken out of a saved answerer: the sentences of their reviews, with words and vectors."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from retailor.shop.gone import Gone
from retailor.tasks.answer.evidence.index import CATEGORIES, PassageIndex


def forget(folder: Path, gone: Gone) -> bool:
    """See `Entry.forget`. A sentence that others wrote as well stays, as theirs."""
    index = PassageIndex.load(folder)
    left = [_of_others(ids, text, gone) for ids, text in zip(index.reviews, index.texts, strict=True)]
    if all(len(some) == len(ids) for some, ids in zip(left, index.reviews, strict=True)):
        return False
    kept = [bool(some) or source != "review" for some, source in zip(left, index.sources, strict=True)]
    new = index.kept(np.array(kept), left)
    for name in ("passages.parquet", "vectors.safetensors", "bm25.safetensors", "bm25.json", CATEGORIES):
        (folder / name).unlink()
    new.save(folder)
    return True


def _of_others(ids: list[str], text: str, gone: Gone) -> list[int]:
    """The places of reviews by others. Where an id does not tell whose one is, the words must."""
    unclear = {each for each in ids if each.startswith("row ") or each in gone.shared_ids}
    theirs = gone.review_ids | (unclear if unclear and gone.wrote(text) else set())
    return [place for place, each in enumerate(ids) if each not in theirs]
