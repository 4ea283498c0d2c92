"""From a query to the items that are found, and to the ranks of those that were judged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from retailor.metrics.ranking import graded_ranks, top_items
from retailor.progress import track
from retailor.tasks.search import understand as reading
from retailor.tasks.search.choosing import Chosen, choose, rows_with_words, with_kin, words_are_elsewhere
from retailor.tasks.search.evaluate import ROWS, judged_items
from retailor.tasks.search.looked_at import Fill, Said, Scored, said, scored
from retailor.tasks.search.model import Fitted
from retailor.tasks.search.presence.signs import Asked
from retailor.tasks.search.rerank.reranker import Found as FirstLook
from retailor.tasks.search.shapes import Found, SearchQuery
from retailor.tasks.search.understand import Understood, understand
from retailor.tasks.search.weights import Weights, weighed
from retailor.tasks.shapes import Recommended
from retailor.text.languages import is_one_piece

F32 = NDArray[np.float32]
NO_ROWS = np.zeros(0, np.int64)
N_TELLING = 50
"""Attributes are chosen by so many of the best: of all that has one of the words most is another thing."""


def understood(made: Fitted, query: SearchQuery) -> Understood:
    """The query taken apart."""
    tokenizer = getattr(made.encoder, "tokenizer", None)
    return understand(query, made.table, made.speller, lambda word: is_one_piece(tokenizer, word))


def found(made: Fitted, query: SearchQuery, asked: Understood, vector: F32) -> Found:
    """What is found for a query, and its `vector` [d]."""
    gone = _gone(made, query)
    words = said(made.lexical, asked.text, made.catalogue.synonyms)
    strict = choose(made.table, asked.filters, gone)
    having = _having(made, asked, words) if len(gone) or asked.filters else NO_ROWS
    if made.reads(asked.text):
        having = with_kin(made.table, having, strict, partial(_z, made, vector))
    chosen = strict if query.image else _given_way(made, asked, gone, strict, having)
    look = _look(made, query, asked, words, vector, (strict, chosen))
    matches = np.asarray((look.raw[0] != 0) | (look.raw[1] != 0), np.bool_)
    seen = np.zeros_like(matches)
    if asked.text and made.reads(asked.text):
        matches |= look.raw[2] >= made.least_cosine
        meant = Asked(asked.text, look.rows, look.raw[2], look.own_z)
        if made.presence and not made.presence.fits(meant, made.catalogue):
            matches[:], chosen = False, strict
    here = chosen.at(look.rows)
    scores = all_scores(made, "", asked.text, look, made.weights_of(asked.text), here)
    if query.image and made.looks is not None:
        seen = made.looks.seen
        scores, here, matches = made.looks.found(query.image, asked.text, scores, here, matches)
    elif words_are_elsewhere(having, chosen.allowed):
        matches[:] = False
    is_found = matches & here.allowed & here.wanted
    places = reading.page(query, scores, here, is_found, look.rows, made.table, made.ties)
    rows = look.rows[places]
    otherwise = _said_otherwise(made, asked.text)
    whys = reading.whys(rows, look.raw[:, places], made.table, asked, seen[places], otherwise[rows])
    rows_found = look.rows[is_found]
    return Found(
        tuple(
            Recommended.of(made.item_ids[row], float(score), why)
            for row, score, why in zip(rows, scores[places], whys, strict=True)
        ),
        searched=asked.text,
        filters=asked.filters,
        mended=asked.mended,
        n_found=len(rows_found),
        is_nearest=not (matches & here.allowed).any(),
        relaxed=chosen.relaxed,
        facets=made.table.facets(rows_found),
        attributes=made.table.attributes(rows_found, _best(scores, is_found, look.rows)),
    )


def _best(scores: F32, is_found: NDArray[np.bool_], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """The rows of the best of those that were found, by which these are told apart."""
    places = np.flatnonzero(is_found)
    if len(places) > N_TELLING:
        places = places[np.argpartition(-scores[places], N_TELLING)[:N_TELLING]]
    return rows[places]


def _look(
    made: Fitted,
    query: SearchQuery,
    asked: Understood,
    words: Said,
    vector: F32,
    chosen: Sequence[Chosen],
) -> Scored:
    """The scores of the items in question: of all with a picture, or where the mean of all is near enough to
    match."""
    left = list({id(mask): mask for each in chosen for mask in (each.allowed, each.wanted)}.values())
    fill = None if query.image else Fill(made.by_tie, max(made.n_reranked, reading.n_ordered(query)))
    look = scored(words, made.nearest, vector, left, fill)
    if fill is not None and asked.text and look.rest_cosine >= made.least_cosine:
        return scored(words, made.nearest, vector, left)
    return look


def _having(made: Fitted, asked: Understood, words: Said) -> NDArray[np.int64]:
    """The rows of the items that have the words of the thing asked for, or without words the brands, colours
    and sizes; `words` are all of them."""
    if not asked.thing:
        wishes = [each for each in asked.filters if each.text and each.op == "="]
        return np.flatnonzero(made.table.passing(wishes))
    if asked.thing != asked.text:
        words = said(made.lexical, asked.thing, made.catalogue.synonyms)
    return rows_with_words(words)


def _z(made: Fitted, vector: F32, rows: NDArray[np.int64]) -> F32:
    """How near the items of some rows are to the `vector` [d] of a query, as z-scores among all [n]."""
    near = made.nearest.near(vector, rows)
    return near.z[np.searchsorted(near.rows, rows)]


def _gone(made: Fitted, query: SearchQuery) -> NDArray[np.int64]:
    """The rows that are not to be found, the query's own and those that nobody finds."""
    own = [made.rows[item_id] for item_id in query.exclude if item_id in made.rows]
    return np.concatenate([np.array(own, np.int64), query.hidden.rows(made.rows)])


def _given_way(
    made: Fitted, asked: Understood, gone: NDArray[np.int64], strict: Chosen, having: NDArray[np.int64]
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


def all_scores(made: Fitted, judged: str, text: str, look: Scored, weights: Weights, here: Chosen) -> F32:
    """The scores of the items in question [n] for the words `text`; of them `here` says which will do.

    `judged` is the query that taught, '' for any.
    """
    first = weighed(weights, look.z)
    if made.reranker is None or not made.reads(text):
        return first
    return made.reranker.scores(_first_look(made, text, look, first, here), judged)


def first_looks(made: Fitted, queries: Sequence[str]) -> list[FirstLook]:
    """What is found at first look for judged queries, each by weights that did not see it."""
    every = choose(made.table, ())
    found = []
    for query, look in _looks(made, queries):
        first = weighed(made.held_out.get(query, made.weights), look.z)
        found.append(_first_look(made, query, look, first, every))
    return found


def _first_look(made: Fitted, text: str, look: Scored, first: F32, here: Chosen) -> FirstLook:
    n = min(made.n_reranked, len(first))
    best = top_items(here.ordered(first)[None], n, made.ties[look.rows])[0]
    return FirstLook(text, look.rows, look.z, first, best)


def z_scores(made: Fitted, queries: Sequence[str]) -> Iterator[tuple[str, F32]]:
    """Each query with the z-scores of every item by each scorer [3, I]."""
    for query, look in _looks(made, queries):
        yield query, look.z


def _looks(made: Fitted, queries: Sequence[str]) -> Iterator[tuple[str, Scored]]:
    """Each query with the scores of every item."""
    vectors = made.encoder.encode(list(queries), role="query")
    for query, vector in track(zip(queries, vectors, strict=True), "searching", len(queries)):
        yield query, scored(said(made.lexical, query, made.catalogue.synonyms), made.nearest, vector)


def ranks(made: Fitted, judgments: pl.DataFrame) -> dict[str, list[Any]]:
    """Row to `metrics.ranking.graded_ranks` of each judged query."""
    judged = judged_items(judgments, made.rows)
    ranks: dict[str, list[Any]] = {row: [] for row in ROWS}
    asked = {query: understood(made, SearchQuery(query)) for query in judged}
    texts = dict.fromkeys([*judged, *(each.text for each in asked.values())])
    known = dict(_looks(made, list(texts)))
    every = choose(made.table, ())
    for query in judged:
        scores, of_rest = known[query], known[asked[query].text]
        weights = made.held_out.get(query, made.weights_of(query))
        strict = choose(made.table, asked[query].filters)
        having = _having(made, asked[query], said(made.lexical, asked[query].text, made.catalogue.synonyms))
        if made.reads(asked[query].text):
            having = with_kin(made.table, having, strict, of_rest.z[2].take)
        chosen = _given_way(made, asked[query], NO_ROWS, strict, having)
        rows = (
            scores.z[0],
            scores.z[2],
            chosen.ordered(all_scores(made, query, asked[query].text, of_rest, weights, chosen)),
            all_scores(made, query, query, scores, weights, every),
            chosen.ordered(weighed(weights, of_rest.z)),
        )
        for row, of_items in zip(ROWS, rows, strict=True):
            ranks[row].append(graded_ranks(of_items, judged[query]))
    return ranks
