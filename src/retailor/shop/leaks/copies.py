"""Leaks by copying: the same row on both sides, a text that nearly is another, a target in the features."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from retailor.shop.leaks.shapes import Leak, rows_of, shown
from retailor.shop.leaks.texts import LEAST_TOKENS, folded, near_pairs, tokens
from retailor.shop.tables import Shop

SAME: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("events", ("user_id", "item_id", "kind", "time")),
    ("reviews", ("user_id", "item_id", "text")),
    ("questions", ("question_id", "question")),
    ("judgments", ("query", "item_id")),
)
"""What makes two rows of a table the same one. Events without a time may well happen again."""
TEXT = {"reviews": "text", "questions": "question", "judgments": "query"}
LEAST_SAME, LEAST_NEAR, LEAST_INSIDE = 1, 2, 2
LEAST_SAME_WORDS = 4
LEAST_LISTED = {"an attribute": 0.05, "the description": 0.2}
"""Share of the judged rows; below it a query may well be a name that shops and customers have in common."""


def copied(train: Shop, test: Shop, *, max_rows: int) -> Iterator[Leak]:
    """Every leak of the three kinds; of each side at most so many texts are compared, drawn."""
    for table, columns in SAME:
        yield from _same_rows(train, test, table, list(columns))
    for table in TEXT:
        yield from _near_texts(train, test, table, max_rows)
    yield from _targets(train, test, max_rows)


def _same_rows(train: Shop, test: Shop, table: str, columns: list[str]) -> Iterator[Leak]:
    frames = [shop.tables()[table].select(columns).drop_nulls() for shop in (test, train)]
    both = frames[0].join(frames[1].unique(), on=columns, how="semi")
    if len(both) >= LEAST_SAME:
        detail = f"the same {', '.join(columns)} in training"
        yield Leak("same row", table, len(both), len(test.tables()[table]), detail, rows_of(both))


def _near_texts(train: Shop, test: Shop, table: str, max_rows: int) -> Iterator[Leak]:
    """Copies, changed a little; of questions only those about one item, for shops are asked alike."""
    column = TEXT[table]
    if table == "judgments":
        asked, known = (shop.judgments["query"].drop_nulls().unique().to_list() for shop in (test, train))
        pairs = _same_words(asked, known)
    else:
        of = "item_id" if "item_id" in test.tables()[table].columns else column
        frames = [_some(_texts(shop, table, of), max_rows) for shop in (test, train)]
        asked, known = (frame[column].to_list() for frame in frames)
        items = [frame[of].to_list() for frame in frames]
        found = set(near_pairs(asked, known)) if table == "reviews" else set()
        found |= set(_same_of_item(asked, known, items))
        pairs = [(asked[i], known[j]) for i, j in sorted(dict(sorted(found, reverse=True)).items())]
    if len(pairs) >= LEAST_NEAR:
        detail = "the same words in training"
        yield Leak("near-duplicate", table, len(pairs), len(asked), detail, shown(pairs))


def _texts(shop: Shop, table: str, of: str) -> pl.DataFrame:
    return shop.tables()[table].select(of, TEXT[table]).drop_nulls(TEXT[table]).unique(maintain_order=True)


def _same_of_item(
    asked: list[str], known: list[str], items: list[list[str | None]]
) -> Iterator[tuple[int, int]]:
    """(i, j) of texts of the same words about one item, but for greetings and the like."""
    table = {(item, folded(text)): j for j, (item, text) in enumerate(zip(items[1], known, strict=True))}
    for i, (item, text) in enumerate(zip(items[0], asked, strict=True)):
        words = folded(text)
        if words.count(" ") >= LEAST_SAME_WORDS and (item, words) in table:
            yield i, table[item, words]


def _same_words(asked: list[str], known: list[str]) -> list[tuple[str, str]]:
    """Queries whose words are those of a training query, in whatever order, case and spacing."""
    by_words = {_words(query): query for query in known}
    return [(query, by_words[_words(query)]) for query in asked if _words(query) in by_words]


def _words(query: str) -> str:
    return " ".join(sorted(tokens(query)))


def _some(values: pl.DataFrame, max_rows: int) -> pl.DataFrame:
    return values.sample(max_rows, seed=0) if len(values) > max_rows else values


def _targets(train: Shop, test: Shop, max_rows: int) -> Iterator[Leak]:
    """Reviews that stand in the text of their item, and answers that stand in their question."""
    items = pl.concat([train.items, test.items]).unique("item_id", keep="first", maintain_order=True)
    asked = test.reviews["item_id"].unique().implode()
    pages = {item_id: folded(text) for item_id, text in _pages(items.filter(pl.col("item_id").is_in(asked)))}
    reviews = test.reviews.select("item_id", "text").drop_nulls().head(max_rows)
    inside = [
        (item_id, text)
        for item_id, text in reviews.iter_rows()
        if (words := folded(text)).count(" ") + 1 >= LEAST_TOKENS and words in pages.get(item_id, "")
    ]
    if len(inside) >= LEAST_INSIDE:
        detail = "the review stands in the text of its item"
        yield Leak("target in the features", "reviews", len(inside), len(reviews), detail, shown(inside))
    yield from _answers(test)
    judged = test.judgments["item_id"].unique().implode()
    yield from _queries(test, items.filter(pl.col("item_id").is_in(judged)))


def _answers(test: Shop) -> Iterator[Leak]:
    told = test.questions.select("question", "answer").drop_nulls()
    given = [
        (question, answer)
        for question, answer in told.iter_rows()
        if (words := folded(answer)).count(" ") >= 3 and words in folded(question)
    ]
    if len(given) >= LEAST_INSIDE:
        detail = "the answer stands in its question"
        yield Leak("target in the features", "questions", len(given), len(told), detail, shown(given))


def _queries(test: Shop, items: pl.DataFrame) -> Iterator[Leak]:
    """Queries that stand whole in an attribute of an item that answers them, or in its description alone."""
    value = pl.col("attributes").list.eval(pl.element().struct.field("value"))
    pages = {
        item_id: (folded(title or ""), folded(told or ""), [folded(one) for one in values or () if one])
        for item_id, title, told, values in items.select("item_id", "title", "description", value).iter_rows()
    }
    good = test.judgments.filter(pl.col("grade") > 0).select("query", "item_id").drop_nulls()
    found: dict[str, list[tuple[str, str]]] = {"an attribute": [], "the description": []}
    for query, item_id in good.iter_rows():
        words = folded(query)
        title, told, values = pages.get(item_id, ("", "", []))
        if words.count(" ") < 2 or words in title:
            continue
        if any(words in one for one in values):
            found["an attribute"].append((query, item_id))
        elif words in told:
            found["the description"].append((query, item_id))
    for place, listed in found.items():
        if len(listed) >= max(LEAST_INSIDE, LEAST_LISTED[place] * len(good)):
            detail = f"the query stands in {place} of an item that answers it"
            yield Leak("target in the features", "judgments", len(listed), len(good), detail, shown(listed))


def _pages(items: pl.DataFrame) -> Iterator[tuple[str, str]]:
    """The text of each item: title, description and the values of its attributes."""
    values = pl.col("attributes").list.eval(pl.element().struct.field("value")).list.join(" ")
    text = pl.concat_str([pl.col("title", "description"), values], separator=" ", ignore_nulls=True)
    yield from items.select("item_id", text.alias("text")).drop_nulls().iter_rows()
