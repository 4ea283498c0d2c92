"""From a query to the items that are found, and to the ranks of those that were judged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from retailor.metrics.ranking import graded_ranks, top_items
from retailor.progress import track
from retailor.tasks.search import understand as reading
from retailor.tasks.search.choosing import Chosen, choose, rows_with_words, words_are_elsewhere
from retailor.tasks.search.evaluate import ROWS, judged_items
from retailor.tasks.search.model import Fitted
from retailor.tasks.search.nearest import said, scored
from retailor.tasks.search.presence.signs import Asked
from retailor.tasks.search.rerank.reranker import Found as FirstLook
from retailor.tasks.search.shapes import Found, SearchQuery
from retailor.tasks.search.understand import Understood, understand
from retailor.tasks.search.weights import Weights, weighed
from retailor.tasks.shapes import Recommended
from retailor.text.languages import is_one_piece

F32 = NDArray[np.float32]


def understood(made: Fitted, query: SearchQuery) -> Understood:
    """The query taken apart."""
    tokenizer = getattr(made.encoder, "tokenizer", None)
    return understand(query, made.table, made.speller, lambda word: is_one_piece(tokenizer, word))


def found(made: Fitted, query: SearchQuery, asked: Understood, vector: F32) -> Found:
    """What is found for a query, and its `vector` [d]."""
    gone = [made.rows[item_id] for item_id in query.exclude if item_id in made.rows]
    gone += query.hidden.rows(made.rows).tolist()
    words = said(made.lexical, asked.text, made.catalogue.synonyms)
    strict = choose(made.table, asked.filters, gone)
    having = _having(made, asked, words) if gone or asked.filters else np.zeros(0, np.int64)
    chosen = strict if query.image else _given_way(made, asked, gone, strict, having)
    left = (strict.allowed, strict.wanted, chosen.allowed, chosen.wanted)
    look = scored(words, made.nearest, vector, left)
    raw = look.raw
    matches = np.asarray((raw[0] != 0) | (raw[1] != 0), np.bool_)
    seen = np.zeros_like(matches)
    if asked.text and made.reads(asked.text):
        matches |= raw[2] >= made.least_cosine
        if made.presence and not made.presence.fits(Asked(asked.text, raw[2], look.z[2]), made.catalogue):
            matches[:], chosen = False, strict
    scores = all_scores(made, "", asked.text, look.z, made.weights_of(asked.text), chosen)
    if query.image and made.looks is not None:
        seen = made.looks.seen
        scores, chosen, matches = made.looks.found(query.image, asked.text, scores, chosen, matches)
    elif words_are_elsewhere(having, chosen.allowed):
        matches[:] = False
    rows_found = np.flatnonzero(matches & chosen.allowed & chosen.wanted)
    rows = reading.page(query, scores, chosen, rows_found, made.table, made.ties)
    whys = reading.whys(rows, raw, made.table, asked, seen, _said_otherwise(made, asked.text))
    return Found(
        tuple(
            Recommended.of(made.item_ids[row], float(scores[row]), why)
            for row, why in zip(rows, whys, strict=True)
        ),
        searched=asked.text,
        filters=asked.filters,
        mended=asked.mended,
        n_found=len(rows_found),
        is_nearest=not (matches & chosen.allowed).any(),
        relaxed=chosen.relaxed,
        facets=made.table.facets(rows_found),
    )


def _having(made: Fitted, asked: Understood, words: F32) -> NDArray[np.int64]:
    """The rows of the items that have the words of the thing asked for, or without words the brands, colours
    and sizes; `words` [2, I] score all words."""
    if not asked.thing:
        wishes = [each for each in asked.filters if each.text and each.op == "="]
        return np.flatnonzero(made.table.passing(wishes))
    if asked.thing != asked.text:
        words = said(made.lexical, asked.thing, made.catalogue.synonyms)
    return rows_with_words(words)


def _given_way(
    made: Fitted, asked: Understood, gone: Sequence[int], strict: Chosen, having: NDArray[np.int64]
) -> Chosen:
    """What will do where bounds and colours give way for an item that has the words."""
    if not words_are_elsewhere(having, strict.wanted):
        return strict
    return choose(made.table, asked.filters, gone, having)


def _said_otherwise(made: Fitted, text: str) -> NDArray[np.bool_]:
    """Which items [I] have none of the words of a query, where synonyms were searched for."""
    if not made.catalogue.synonyms.found(text):
        return np.zeros(len(made.item_ids), np.bool_)
    return np.asarray(made.catalogue.details.score(text) == 0, np.bool_)


def all_scores(made: Fitted, judged: str, text: str, z: F32, weights: Weights, chosen: Chosen) -> F32:
    """The scores of all items [I] for the words `text`, whose z-scores by each scorer are `z` [3, I].

    `judged` is the query that taught, '' for any.
    """
    first = weighed(weights, z)
    if made.reranker is None or not made.reads(text):
        return first
    return made.reranker.scores(_first_look(made, text, z, first, chosen), judged)


def first_looks(made: Fitted, queries: Sequence[str]) -> list[FirstLook]:
    """What is found at first look for judged queries, each by weights that did not see it."""
    every = choose(made.table, ())
    return [
        _first_look(made, query, z, weighed(made.held_out.get(query, made.weights), z), every)
        for query, z in z_scores(made, queries)
    ]


def _first_look(made: Fitted, text: str, z: F32, first: F32, chosen: Chosen) -> FirstLook:
    n = min(made.n_reranked, len(first))
    return FirstLook(text, z, first, top_items(chosen.ordered(first)[None], n, made.ties)[0])


def z_scores(made: Fitted, queries: Sequence[str]) -> Iterator[tuple[str, F32]]:
    """Each query with the z-scores of every item by each scorer [3, I]."""
    vectors = made.encoder.encode(list(queries), role="query")
    for query, vector in track(zip(queries, vectors, strict=True), "searching", len(queries)):
        words = said(made.lexical, query, made.catalogue.synonyms)
        yield query, scored(words, made.nearest, vector).z


def ranks(made: Fitted, judgments: pl.DataFrame) -> dict[str, list[Any]]:
    """Row to `metrics.ranking.graded_ranks` of each judged query."""
    judged = judged_items(judgments, made.rows)
    ranks: dict[str, list[Any]] = {row: [] for row in ROWS}
    asked = {query: understood(made, SearchQuery(query)) for query in judged}
    texts = dict.fromkeys([*judged, *(each.text for each in asked.values())])
    known = dict(z_scores(made, list(texts)))
    every = choose(made.table, ())
    for query in judged:
        scores, of_rest = known[query], known[asked[query].text]
        weights = made.held_out.get(query, made.weights_of(query))
        strict = choose(made.table, asked[query].filters)
        having = _having(made, asked[query], said(made.lexical, asked[query].text, made.catalogue.synonyms))
        chosen = _given_way(made, asked[query], (), strict, having)
        rows = (
            scores[0],
            scores[2],
            chosen.ordered(all_scores(made, query, asked[query].text, of_rest, weights, chosen)),
            all_scores(made, query, query, scores, weights, every),
            chosen.ordered(weighed(weights, of_rest)),
        )
        for row, of_items in zip(ROWS, rows, strict=True):
            ranks[row].append(graded_ranks(of_items, judged[query]))
    return ranks
