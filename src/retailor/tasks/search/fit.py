"""From a shop to a search: its items indexed, then what its judgments and its own texts teach."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from retailor.errors import MissingTable
from retailor.models.encoding import memo_vectors
from retailor.models.pictures.items import ItemPictures
from retailor.models.shapes import Encoder
from retailor.retrieval.bm25 import BM25Index
from retailor.retrieval.languages import directions_between, read_scripts
from retailor.shop.tables import Shop
from retailor.tasks.search.evaluate import judged_items
from retailor.tasks.search.finding import first_looks, z_scores
from retailor.tasks.search.item_table import ItemTable, meanings, texts_of
from retailor.tasks.search.model import Fitted
from retailor.tasks.search.nearest import Nearest, halved
from retailor.tasks.search.pictures import Looks
from retailor.tasks.search.presence.nonsense import least_cosine
from retailor.tasks.search.presence.presence import Presence
from retailor.tasks.search.rerank.candidates import Catalogue
from retailor.tasks.search.rerank.reranker import Reranker
from retailor.tasks.search.settings import SearchSettings
from retailor.tasks.search.spelling import Speller
from retailor.tasks.search.suggest import Suggester
from retailor.tasks.search.synonyms.mined import lines_of, mined_pairs
from retailor.tasks.search.synonyms.rules import lines_of_file
from retailor.tasks.search.weights import SCORERS, Learned, learned_weights, ndcg_of_weights
from retailor.text.fields import is_language

Log = dict[str, Any]


def fit(
    shop: Shop,
    encoder: Encoder,
    settings: SearchSettings,
    work: Path | None = None,
    pictures: ItemPictures | None = None,
) -> tuple[Fitted, Log]:
    """The search of a shop, and how it was learned. Raises MissingTable without items or their words."""
    started = time.perf_counter()
    made, log = _indexed(shop, encoder, settings, work, pictures)
    judged = judged_items(shop.judgments, made.rows)
    pairs = mined_pairs(made.catalogue, encoder, judged.items())
    made = made.with_synonyms(lines_of(pairs), settings)
    log["suggested_synonyms"] = len(pairs)
    made, learned = _with_weights(made, judged, settings)
    read = [query for query in judged if made.reads(query)]
    if made.reranker is not None:
        looks = first_looks(made, read)
        reranker = made.reranker.learn(looks, judged, n_folds=settings.n_folds, seed=settings.seed)
        made, learned = replace(made, reranker=reranker), learned | reranker.learned.log
    presence = Presence.learned(
        replace(made.catalogue, vectors=made.nearest.whole()),
        encoder,
        read,
        false_alarms=settings.false_alarms,
        seed=settings.seed,
    )
    log |= {**learned, "nothing_fits": None if presence is None else presence.log}
    log["seconds"] = round(time.perf_counter() - started, 3)
    return replace(made, presence=presence), log


def refit(
    before: Fitted,
    shop: Shop,
    encoder: Encoder,
    settings: SearchSettings,
    work: Path | None = None,
    pictures: ItemPictures | None = None,
) -> tuple[Fitted, Log]:
    """The search of a shop with what `before` learned."""
    made, log = _indexed(shop, encoder, settings, work, pictures)
    reranker = made.reranker
    if reranker is not None and before.reranker is not None:
        reranker = replace(reranker, learned=before.reranker.learned)
    made = replace(
        made,
        weights=before.weights,
        unread_weights=before.unread_weights,
        held_out=before.held_out,
        reranker=reranker,
        presence=before.presence,
        looks=made.looks and made.looks.weighing_as(before.looks),
    )
    return made.with_synonyms(before.suggested, settings), log


def _indexed(
    shop: Shop,
    encoder: Encoder,
    settings: SearchSettings,
    work: Path | None,
    pictures: ItemPictures | None,
) -> tuple[Fitted, Log]:
    """The items of a shop, by weights that nothing was learned for."""
    shop.require("search", "items")
    started = time.perf_counter()
    texts = texts_of(shop.items)
    if not any(map(is_language, texts["details"])):
        raise MissingTable("search needs words in the table 'items': no item has a title or a description.")
    item_ids = shop.items["item_id"].to_list()
    lexical = {name: BM25Index.of(each, k1=settings.k1, b=settings.b) for name, each in texts.items()}
    meant = meanings(shop.items)
    vectors = halved(memo_vectors(encoder, meant, work=work))
    tokenizer = getattr(encoder, "tokenizer", None) if settings.across_languages else None
    between = directions_between(vectors, read_scripts(meant, tokenizer))
    nearest = Nearest.across(vectors, settings, between)
    table = ItemTable.of(shop).indexed(lexical["titles"], lexical["details"])
    catalogue = Catalogue(lexical["details"], lexical["titles"], nearest.vectors, table)
    made = Fitted(
        encoder=encoder,
        item_ids=item_ids,
        words=lexical[SCORERS[0]],
        catalogue=catalogue,
        nearest=nearest,
        speller=Speller.of(texts["details"]),
        suggester=Suggester.of(shop),
        weights=settings.weights or settings.default_weights,
        unread_weights=settings.weights or settings.unread_weights,
        least_cosine=least_cosine(encoder, vectors),
        n_reranked=settings.n_reranked,
        synonym_lines=[] if settings.synonyms is None else lines_of_file(Path(settings.synonyms)),
        looks=Looks.of(pictures, item_ids, settings.picture_weight),
    ).with_synonyms((), settings)
    if settings.looks_twice:
        reranker = Reranker(made.catalogue).weighing(settings.category_weight)
        made = replace(made, reranker=reranker)
    seconds = round(time.perf_counter() - started, 3)
    return made, {"n_items": len(item_ids), "index_seconds": seconds, **nearest.told(encoder, shop)}


def _with_weights(made: Fitted, judged: dict[str, Any], settings: SearchSettings) -> tuple[Fitted, Log]:
    """With the weights from all judged queries, and without each fold of them, of both kinds of queries."""
    learned = Learned(made.weights, made.unread_weights)
    if settings.weights is None and judged:
        read = np.array([made.reads(query) for query in judged])
        ndcg = np.array([ndcg_of_weights(z, judged[query]) for query, z in z_scores(made, list(judged))])
        learned = learned_weights(list(judged), ndcg, read, settings)
    log = {
        "n_judged_queries": len(judged),
        **learned.log,
        "weights": dict(zip(SCORERS, learned.weights, strict=True)),
        "unread_weights": dict(zip(SCORERS, learned.unread_weights, strict=True)),
    }
    weights, unread = learned.weights, learned.unread_weights
    return replace(made, weights=weights, unread_weights=unread, held_out=learned.held_out), log
