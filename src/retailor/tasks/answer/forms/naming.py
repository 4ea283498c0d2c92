"""What products a question names, and whether a passage does nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from retailor.retrieval.tokens import HAS_CHINESE, content_words, words
from retailor.tasks.answer import wording
from retailor.tasks.answer.evidence.features import is_yes_no
from retailor.tasks.answer.evidence.index import PassageIndex
from retailor.tasks.answer.question import kinds
from retailor.tasks.answer.shapes import Evidence

ONE_KIND = 0.6
"""From this share of the titles on that lie in one category, the category is what is meant."""
_BESIDE = frozenset(
    content_words(
        "product item thing kind sort price cost sell buy shop store offer stock got any some here one much "
        "please hi hello hey thanks 商品 产品 东西 价格 价钱 钱 店 店里 哪 哪个 哪款 哪种 哪一款 卖 推荐 "
        "你们 请 是 有 还 里 你好 您好"
    )
)
"""Words of a question about the catalogue that name no kind of product."""


def only_names(question: str, each: Evidence) -> bool:
    """Whether a passage is a title that tells no fact asked for: who asks on its item's page has read it."""
    if each.source != "title" or wording.verdict_of(question, each) is not None:
        return False
    facts = [kind for kind in kinds.asked(question) if kind.sort != "opinion"]
    return not any(kinds.tells(kind, question, each.text) for kind in facts)


def looks_for(question: str) -> bool:
    """Whether a product is an answer: the question asks for no fact, no opinion and no yes or no."""
    return not kinds.asked(question) and not is_yes_no(question)


def is_named(question: str, item_id: str | None, index: PassageIndex) -> bool:
    """Whether the question can be about this item: a word of its title or category is among those it names.

    True where the question names nothing, or is in another script than the title.
    """
    title = index.titles.get(item_id or "", "")
    named = _names(question)
    if not named or not title or bool(HAS_CHINESE.search(question)) != bool(HAS_CHINESE.search(title)):
        return True
    return bool(named & {*index.topic(item_id), *words(index.categories.get(item_id or "", ""))})


def _names(question: str) -> set[str]:
    """The words of a question that ask for nothing themselves."""
    for kind in kinds.asked(question):
        question = kind.asks.sub(" ", question)
    return set(content_words(question))


def kind_named(text: str) -> tuple[str, ...]:
    """The words of a question about the catalogue, or the rest of one, that name a kind of products."""
    return tuple(word for word in content_words(text) if word not in _BESIDE)


def of_kind(named: Sequence[str], index: PassageIndex) -> tuple[list[str], str]:
    """The items that have the words in their titles, and their category where most of these lie in one.

    Then all of the category are meant, for what they are called differs.
    """
    wanted = set(named)
    hits = [item for item in index.titles if wanted and wanted <= index.topic(item)]
    counts = Counter(index.categories.get(item, "") for item in hits)
    category, n = counts.most_common(1)[0] if counts else ("", 0)
    if category and n >= ONE_KIND * len(hits):
        others = [item for item, own in index.categories.items() if own == category and item not in hits]
        return [*(item for item in hits if index.categories.get(item) == category), *others], category
    return hits, ""
