"""People taken out of a saved reader of sentiment: words that nobody else wrote leave the list of words.

A word's place stays, since the weights go by it: what it weighs is forgotten with the next fit.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from retailor.shop.gone import Gone

_WORD = re.compile(r"\w+")


def forget(folder: Path, gone: Gone) -> bool:
    """See `Entry.forget`."""
    found = False
    for path in sorted(folder.rglob("vocabulary.json")):
        places: dict[str, int] = json.loads(path.read_text(encoding="utf-8"))
        own = {term for term in places if gone.words & {term, *_WORD.findall(term.lower())}}
        if own:
            left = {f"[forgotten {n}]" if term in own else term: n for term, n in places.items()}
            path.unlink()
            path.write_text(json.dumps(left, ensure_ascii=False), encoding="utf-8")
            found = True
    return found
