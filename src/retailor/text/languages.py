# ruff: noqa: E501 (long patterns and word lists)
"""Which language a text is in: by script first, then by the commonest words of Latin-script languages."""

from __future__ import annotations

import re
from typing import Any

import polars as pl

from retailor.scripts import CJK, LATIN, SCRIPTS

_IN_SCRIPT = {code: re.compile(f"[{script}]") for code, script in SCRIPTS.items()}
_WORDS = {
    "en": "the and is it to of for this with was that not you my in on are have but as very be they from great by so one or good what does how can will use would",
    "de": "der die das und ist nicht ich ein eine mit für es auf zu sehr auch den von sich aber war dem im bei wie kann man sind wird nur gut oder",
    "fr": "le la les et est un une des pour je pas il que dans avec très ce en sur du plus mais au qui ne produit c'est vous cette bien sont par",
    "es": "el la los las y es un una de que no en para con por muy lo se me pero su del más como está este bien producto al son",
    "it": "il la e è un una di che non per con sono molto lo si ma del prodotto come questo le ho anche più da della i nel ottimo",
    "pt": "o a os as e é um uma de que não para com por muito se mas do da produto em no na mais como está este ao são bom",
    "nl": "de het een en is niet ik van voor met op te zeer dat aan ook maar was er zijn dit bij goed als heb om naar wel",
}  # fmt: skip
_STOP_WORDS = {code: frozenset(words.split()) for code, words in _WORDS.items()}
_LETTERS = {"de": "äöüß", "fr": "éèêàçœ", "es": "ñáíóú¿¡", "pt": "ãõçâ", "it": "àèìòù"}
_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?")
_SYLLABLE = re.compile(f"[{CJK}]")
MOST_STRANGE = 0.35
"""The largest share of strange tokens in a text that still counts as read."""
LATIN_SCRIPT = "latin"
UNSPACED = ("ja", "ko", "zh", "th")
_MARK = re.compile(r"\[(?:link|email|phone)\]")


def script_of(text: pl.Expr) -> pl.Expr:
    """The script that most words of each text are in: a code of SCRIPTS, or 'latin'; null without letters.

    A letter of a script that puts no space between words counts for a word; Japanese is told from Chinese by
    its syllables. Of two with as many words the one that is not Latin.
    """
    counts = {
        code: text.str.count_matches(f"[{script}]" if code in UNSPACED else f"[{script}]+")
        for code, script in {**SCRIPTS, LATIN_SCRIPT: LATIN}.items()
    }
    is_japanese = (counts["ja"] > 0) & (counts["ja"] * 10 >= counts["zh"])
    counts["ja"] = pl.when(is_japanese).then(counts["ja"] + counts["zh"]).otherwise(counts["ja"])
    counts["zh"] = pl.when(is_japanese).then(0).otherwise(counts["zh"])
    most = pl.max_horizontal(counts.values())
    told = pl.when(most == 0).then(None)
    for code, count in counts.items():
        told = told.when(count == most).then(pl.lit(code))  # type: ignore[assignment]
    return told.otherwise(None)


def language_of(text: str) -> str:
    """The ISO 639-1 code of the text's language, or 'und' when it is too short to tell.

    Scripts decide first; among Latin-script languages the most stop words do (en, de, fr, es, it, pt, nl).
    A text of plain ASCII words with next to no stop words, as product titles are, counts as 'en' from two words on.
    """
    text = _MARK.sub(" ", text)
    # capitals are codes and names, unless the whole text is in capitals
    capitals = text.upper() == text
    words = [
        word.lower() for word in _WORD.findall(text) if not _asian(word) and (capitals or not word.isupper())
    ]
    counts = {code: len(script.findall(text)) for code, script in _IN_SCRIPT.items()}
    if counts["ja"] and counts["ja"] * 10 >= counts["zh"]:
        counts["ja"] += counts.pop("zh")
    code, n_letters = max(counts.items(), key=lambda pair: pair[1])
    latin = [word for word in words if not _IN_SCRIPT["ru"].search(word) and word[0] < "\u0250"]
    # one Chinese or Japanese character carries about as much as one Latin word
    if n_letters and n_letters >= len(latin) * (1 if code in ("zh", "ja", "ko") else 3):
        return code if n_letters >= 2 else "und"
    return _latin(latin)


def is_one_piece(tokenizer: Any, word: str) -> bool:
    """Whether a tokenizer (of transformers or tokenizers) knows a word as a whole; False for one that cannot
    tell."""
    backend = _backend(tokenizer)
    return backend is not None and len(backend.encode(word, add_special_tokens=False).ids) == 1


def reads(tokenizer: Any, text: str) -> bool:
    """Whether a tokenizer (of transformers or tokenizers) knows what the text is written with; True for one
    that cannot tell.

    Strange are tokens it does not know, and single letters inside a word: a model that spells a script out
    was not taught its words. (One Chinese, Japanese or Korean character may be a word.)
    """
    backend = _backend(tokenizer)
    if backend is None:
        return True
    unknown = tokenizer.unk_token_id if hasattr(tokenizer, "unk_token_id") else _unknown_id(backend)
    # The backend itself: a call of the tokenizer would change what other threads share with it.
    made = backend.encode(text, add_special_tokens=False)
    strange, before = 0, (None, (0, 0))
    for token, word, (start, end) in zip(made.ids, made.word_ids, made.offsets, strict=True):
        letter = text[start:end]
        spelled = word == before[0] and len(letter) == 1 and letter.isalpha()
        # Parts of one Korean syllable have its place, all of them.
        whole = _SYLLABLE.search(letter) and (start, end) != before[1]
        strange += word is not None and (token == unknown or (spelled and not whole))
        before = word, (start, end)
    return bool(strange <= MOST_STRANGE * sum(made.attention_mask))  # padding is no text


def _backend(tokenizer: Any) -> Any:
    """What splits: a tokenizer of transformers has it, one of tokenizers is it; None for any other."""
    return getattr(tokenizer, "backend_tokenizer", tokenizer if hasattr(tokenizer, "token_to_id") else None)


def _unknown_id(tokenizer: Any) -> int | None:
    """The id of the unknown token of a tokenizer of tokenizers."""
    names = (getattr(tokenizer.model, "unk_token", None), "<unk>", "[UNK]")
    ids = (tokenizer.token_to_id(name) for name in names if name)
    return next((each for each in ids if each is not None), None)


def _asian(word: str) -> bool:
    return any(_IN_SCRIPT[code].search(word) for code in ("zh", "ja", "ko"))


def _latin(words: list[str]) -> str:
    words = [word for word in words if len(word) > 1]
    joined = "".join(words)
    scores = {code: sum(word in stops for word in words) for code, stops in _STOP_WORDS.items()}
    for code, letters in _LETTERS.items():
        n_letters = sum(joined.count(letter) for letter in letters)
        scores[code] += n_letters if scores[code] or n_letters > 1 else 0
    code, score = max(scores.items(), key=lambda pair: pair[1])
    # one stop word in a long title is chance: 'de' and 'la' stand in many names
    if score > 1 or (score and (code == "en" or len(words) < 4)):
        return code
    foreign = sum(not word.isascii() for word in words)
    return "en" if len(words) >= 2 and foreign <= 1 and len(joined) >= 6 else "und"
