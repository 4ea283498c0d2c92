"""The mark of a generated text: a visible line in it and machine-readable fields beside it.

No setting removes it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from retailor.store.artifact import retailor_version
from retailor.tasks.review.shapes import Draft

IPTC = "http://cv.iptc.org/newscodes/digitalsourcetype/"
"""The vocabulary of the IPTC for where digital media come from; schema.org has the same terms."""
TRAINED = IPTC + "trainedAlgorithmicMedia"
ALGORITHMIC = IPTC + "algorithmicMedia"
"""For a template: written by a program, but by no trained model."""
_SCHEMA_ORG = {
    TRAINED: "https://schema.org/TrainedAlgorithmicMediaDigitalSource",
    ALGORITHMIC: "https://schema.org/AlgorithmicMediaDigitalSource",
}

NOTICES = {
    "en": "[Machine-written draft: please edit it before posting.]",
    "zh": "【机器起草的评论，发布前请修改。】",
    "de": "[Maschinell erstellter Entwurf: bitte vor dem Veröffentlichen bearbeiten.]",
    "es": "[Borrador escrito por una máquina: edítelo antes de publicarlo.]",
    "fr": "[Brouillon rédigé par une machine : à modifier avant publication.]",
    "it": "[Bozza scritta da una macchina: modificarla prima di pubblicarla.]",
    "ja": "【機械が書いた下書きです。投稿前に編集してください。】",
    "ko": "[기계가 작성한 초안입니다. 게시하기 전에 수정해 주세요.]",
    "nl": "[Machinaal geschreven concept: pas het aan voor plaatsing.]",
    "pt": "[Rascunho escrito por uma máquina: edite-o antes de publicar.]",
}


TEMPLATE_NOTICES = {
    "en": "[Draft from a template, in set phrases: please put it into your own words before posting.]",
    "zh": "【这是由固定句式拼成的模板草稿，发布前请改成您自己的话。】",
}
"""In the languages that templates have; any other's is in English."""
LINES = (*NOTICES.values(), *TEMPLATE_NOTICES.values())


def notice(language: str, *, is_template: bool = False) -> str:
    """The visible line, in the language of the review; in English where we do not have it."""
    known = TEMPLATE_NOTICES if is_template else NOTICES
    return known.get(language, known["en"])


def with_notice(body: str, language: str, *, is_template: bool = False) -> str:
    """The body with the visible line below it."""
    return f"{body}\n\n{notice(language, is_template=is_template)}"


def body_of(text: str) -> str:
    """The text of a draft without its visible line: what the figures of `evaluate` are about."""
    for line in LINES:
        text = text.removesuffix(line)
    return text.rstrip()


def marks(text: str, *, item_id: str, by: str, at: str, language: str, fallback: str = "") -> dict[str, Any]:
    """What `Draft.generated` holds. `fallback` says why a template stands in for the model `by`."""
    return {
        "generated": True,
        "digitalSourceType": ALGORITHMIC if fallback else TRAINED,
        "by": "template" if fallback else by,
        "retailor": retailor_version(),
        "at": at,
        "item_id": item_id,
        "sha256": _sha256(text),
        "language": language,
        "notice": notice(language, is_template=bool(fallback)),
        **({"fallback": fallback} if fallback else {}),
    }


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def mark(draft: Draft) -> dict[str, Any]:
    """The draft as a schema.org Review with its mark, for JSON."""
    generated = {**draft.generated, "generated": True}
    return {
        "@context": "https://schema.org",
        "@type": "Review",
        "name": draft.title,
        "reviewBody": draft.text,
        "reviewRating": {"@type": "Rating", "ratingValue": draft.rating, "bestRating": 5, "worstRating": 1},
        "itemReviewed": {"@type": "Product", "productID": draft.item_id},
        "digitalSourceType": _SCHEMA_ORG[generated.get("digitalSourceType", TRAINED)],
        "generated": generated,
    }


def is_generated(thing: str | Mapping[str, Any]) -> bool:
    """Whether a text, a JSON text or a parsed JSON object carries the mark.

    A customer who has edited a draft may have taken the line out: False means unmarked, not hand-written.
    """
    if isinstance(thing, Mapping):
        return _mapping_is_generated(thing)
    try:
        parsed = json.loads(thing)
    except ValueError:
        parsed = None
    if isinstance(parsed, Mapping):
        return _mapping_is_generated(parsed)
    return any(line in thing for line in LINES)


def _mapping_is_generated(thing: Mapping[str, Any]) -> bool:
    told = thing.get("generated")
    source = str(thing.get("digitalSourceType", "")).casefold()
    texts = (thing.get("reviewBody"), thing.get("text"))
    return (
        told is True
        or (isinstance(told, Mapping) and _mapping_is_generated(told))
        or "algorithmicmedia" in source
        or any(isinstance(text, str) and is_generated(text) for text in texts)
    )


def is_untouched(thing: Mapping[str, Any]) -> bool:
    """Whether the text of a marked JSON object is still, byte for byte, what was generated."""
    told = thing.get("generated")
    digest = told.get("sha256") if isinstance(told, Mapping) else None
    return digest == _sha256(str(thing.get("reviewBody", thing.get("text", ""))))
