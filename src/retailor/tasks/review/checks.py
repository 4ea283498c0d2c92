"""What makes a draft one that can be offered: it sounds like its stars, and like a customer."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise

from retailor.metrics.generation import CopyIndex, tokens
from retailor.models.shapes import Generator
from retailor.tasks.review.facts import Names, invented
from retailor.tasks.review.past import Past
from retailor.tasks.review.prompts import Wanted, instructions_of
from retailor.tasks.review.text import join
from retailor.text.clean_shop import language_of
from retailor.text.fields import sentences
from retailor.text.opinions import BLAME, PRAISE, OpinionWords

MIN_WORDS = 4
OWN_SCRIPT = {"zh", "ja", "ko", "ru"}
"""Languages told for sure by their script; between Latin ones a short draft is not refused on a guess."""
SPOKEN = {
    "zh": ("这款杯子很轻，质量不错，下次还会再买。", 1.6),
    "ja": ("このカップは軽くて質もよく、また買いたいです。", 1.6),
    "ko": ("이 컵은 가볍고 품질이 좋아서 다시 사고 싶어요.", 1.8),
    "ru": ("Эта чашка лёгкая, качество хорошее, куплю ещё.", 0.65),
}
"""A sentence a script, and the tokens a character beyond which a model has hardly learned to write it."""
WORDS = OpinionWords(
    praise=(
        *PRAISE,
        "good",
        "nice",
        "cool",
        "fantastic",
        "satisfied",
        "enjoy",
        "impressed",
        "high quality",
        "high-quality",
        "well made",
        "well-made",
        "beautiful",
        "comfortable",
        "sturdy",
        "impressive",
        "优秀",
        "舒服",
        "好用",
    ),
    blame=(
        *BLAME,
        "hate",
        "broken",
        "unhappy",
        "annoying",
        "cheaply",
        "flimsy",
        "uncomfortable",
        "stopped working",
        "failed",
        "fell apart",
        "难用",
        "退款",
        "不满意",
        "太烂",
    ),
)
ASSISTANT = re.compile(
    r"\b(?:as an? (?:ai|artificial|language model)|(?:ai|virtual) assistant|language model|chat ?bot"
    r"|i(?:'m| am) (?:sorry, but|designed|here to help|an ai)|you are (?:an?|the) (?:ai|assistant|helpful)"
    r"|i (?:cannot|can't|am unable to) (?:write|provide|help|assist|generate)|feel free to"
    r"|here(?:'s| is) (?:a|the|my|your) (?:draft|review|sample|revised|possible)"
    r"|(?:sure|certainly|of course)[,!:]"
    r"|\bthe customer(?!s? (?:service|support|care))|\ba customer review\b"
    r"|have a (?:great|good|nice|wonderful) day"
    r"|(?:thank you|thanks) for (?:choosing|your (?:purchase|order|review))"
    r"|let me know if|how can i (?:help|assist)|customer review:|stars?:\s*\d)"
    r"|作为(?:一个|一名)?(?:ai|人工智能|语言模型|助手)|我是(?:一个)?(?:ai|人工智能|助手)|语言模型"
    r"|以下是.{0,8}(?:评论|草稿)|(?:^|\n)当然[，,！!可]|很抱歉.{0,6}(?:无法|不能)|希望(?:这|以上).{0,8}帮助",
    re.IGNORECASE,
)
ECHOED_TOKENS = 5
"""A run so long of the prompt's instructions is the prompt, not a review."""
LEAST_JUDGED = 20
"""Reviews of either kind that a reader of sentiment must have learned from before it may refuse drafts."""
Judge = Callable[[Sequence[str]], list[str]]


def can_write(generator: Generator, language: str) -> bool:
    """Whether the generator has learned to write a language's script, told by how it splits a sentence of it.

    A model that needs two or three pieces a character has seen next to none. True where nothing can be told:
    for the Latin script, and for a generator without a tokenizer here.
    """
    tokenizer = getattr(generator, "tokenizer", None)
    if tokenizer is None or language not in SPOKEN:
        return True
    sentence, limit = SPOKEN[language]
    return len(tokenizer(sentence)["input_ids"]) <= limit * len(sentence)


def complaint(body: str, wanted: Wanted, judge: Judge, names: Names | None = None) -> str:
    """Why a body cannot be offered as the draft that is wanted; '' when it can.

    `names` are those of the whole catalogue: of another product they may not be said.

    Copies of others are not looked for here: what is left without them may still do.
    """
    words = tokens(body)
    if len(words) < MIN_WORDS:
        return "the model said too little"
    spoken = language_of(body)
    if spoken != wanted.language and {spoken, wanted.language} & OWN_SCRIPT:
        return f"the model did not write in '{wanted.language}'"
    if why := recital(body, wanted):
        return why
    if _repeats_itself(words):
        return "the model repeated itself"
    said = _invented(body, wanted, names)
    if said:
        return f"the model said {said}, and the catalogue does not"
    if _sounds_otherwise(body, wanted.stars, judge):
        return f"the model did not sound like {wanted.stars} stars"
    return ""


def recital(said: str, wanted: Wanted) -> str:
    """Why a text is the prompt, or an assistant's, and no part of it may be offered; '' for neither."""
    if CopyIndex(instructions_of(wanted)).longest(said).n_tokens >= ECHOED_TOKENS:
        return "the model repeated its instructions"
    if ASSISTANT.search(said):
        return "the model spoke as an assistant, not as a customer"
    if CopyIndex([wanted.facts]).longest(said).n_tokens >= len(tokens(wanted.title)) + 2 * ECHOED_TOKENS:
        return "the model recited the product's facts"
    return ""


def pruned(body: str, wanted: Wanted, judge: Judge, names: Names | None = None) -> str:
    """The body without the sentences that say what the catalogue does not, or the opposite of the stars."""
    parts = sentences(body)
    votes, side = WORDS.votes(parts), wanted.stars - 3
    against = "" if not side else "negative" if side > 0 else "positive"
    kept = []
    for part, vote, read in zip(parts, votes, judge(parts), strict=True):
        otherwise = vote * side < 0 or (vote == 0 and read == against and len(tokens(part)) > MIN_WORDS)
        if not otherwise and not _invented(part, wanted, names):
            kept.append(part)
    return join(kept)


def _invented(text: str, wanted: Wanted, names: Names | None) -> str:
    source = wanted.source or f"{wanted.title} {wanted.facts}"
    return invented(text, source, language=wanted.language, stars=wanted.stars, names=names)


def score(body: str, wanted: Wanted, judge: Judge, n_astray: int = 0) -> float:
    """How good a draft that passes is: clear about its stars, on its topics, as long as asked, varied.

    `n_astray` of its words the shop does not use of such a product.

    Of drafts that pass the greatest is taken; the weights are set by hand, so that one clear opinion word
    counts as much as one topic mentioned.
    """
    words, low = tokens(body), body.lower()
    votes, read = float(WORDS.votes([body])[0]), judge([body])[0]
    side = wanted.stars - 3
    clear = -0.5 * abs(votes) if side == 0 else min(2.0, votes * (1 if side > 0 else -1))
    agrees = float(read == ("negative", "neutral", "positive")[(side > 0) - (side < 0) + 1])
    topics = sum(aspect.lower() in low for aspect in wanted.aspects)
    length = -abs(math.log(max(1, len(words)) / wanted.n_words))
    pairs = list(pairwise(words))
    varied = len(set(pairs)) / max(1, len(pairs))
    return clear + agrees + topics + length + varied - 0.5 * n_astray


def _repeats_itself(words: Sequence[str]) -> bool:
    """Whether three words in a row come three times, or fewer than half of the pairs are different."""
    threes = Counter(zip(words, words[1:], words[2:], strict=False))
    pairs = list(pairwise(words))
    return max(threes.values(), default=0) >= 3 or len(set(pairs)) < 0.5 * len(pairs)


def _sounds_otherwise(body: str, stars: int, judge: Judge) -> bool:
    """Whether opinion words, or a reader of the shop's reviews, say something else than the stars.

    A model praises by itself: of one and two stars a text must blame, and not only leave praise out.
    """
    votes, read = float(WORDS.votes([body])[0]), judge([body])[0]
    if stars == 3:
        return (votes > 1 and read == "positive") or (votes < -1 and read == "negative")
    if stars > 3:
        return votes < 0 or (read in ("negative", "neutral") and votes <= 0)
    return votes > 0 or (read != "negative" and votes >= 0)


def judge_of(past: Past, fit_judge: Callable[[Past], Judge]) -> Judge:
    """A reader of sentiment fitted on the shop's reviews; of too few of either kind it says nothing."""
    labels = Counter(past.labels())
    if min(labels["negative"], labels["positive"]) < LEAST_JUDGED:
        return lambda texts: [""] * len(texts)
    return fit_judge(past)
