"""From a shop to a fitted recommender: read, understand the items, learn the blend, fit every part."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retailor.models.encoding import memo_vectors
from retailor.models.pictures.items import ItemPictures
from retailor.models.shapes import Encoder, TrainableEncoder
from retailor.retrieval.blend import Blend, trust
from retailor.retrieval.counting import How
from retailor.retrieval.histories import Histories, Scorer
from retailor.retrieval.languages import directions_between, read_scripts
from retailor.retrieval.vectors import VectorIndex
from retailor.seeds import stream
from retailor.shop.tables import Shop
from retailor.store.memo import digest
from retailor.tasks.recommend.behaviour import fit_encoder
from retailor.tasks.recommend.blend.coldness import ColdBlend
from retailor.tasks.recommend.blend.folds import ahead
from retailor.tasks.recommend.blend.texts import told
from retailor.tasks.recommend.blend.tuning import choose_among, choose_blends, choose_scales, values_of
from retailor.tasks.recommend.cases import Cases, hold_out, n_scored
from retailor.tasks.recommend.catalogue import Catalogue, read_catalogue
from retailor.tasks.recommend.customers import Customers, read_customers, with_reviews
from retailor.tasks.recommend.model import Fitted, Understanding, finder_of, review_embeddings, seen
from retailor.tasks.recommend.query.ask import recommend
from retailor.tasks.recommend.query.candidates import Finder
from retailor.tasks.recommend.scorers.makers import fit_parts
from retailor.tasks.recommend.scorers.parts import NETWORKS, OURS, WEIGHTS, Features, systems_of
from retailor.tasks.recommend.scorers.tfidf import TfidfVectorizer
from retailor.tasks.recommend.scorers.two_tower import Whitening, untrained
from retailor.tasks.recommend.settings import RecommendSettings
from retailor.tasks.recommend.shapes import RecommendQuery
from retailor.text.fields import is_language

F32 = NDArray[np.float32]
MIN_VALIDATION = 30
N_COMPARED = 100


def fit(
    shop: Shop,
    encoder: Encoder | None,
    settings: RecommendSettings,
    work: Path | None,
    pictures: ItemPictures | None = None,
) -> tuple[Fitted, dict[str, Any]]:
    """The fitted recommender and the log of how it was made.

    The last event of some customers is held out to learn the weights; then every part is fitted again with
    those events, but for the learned networks, which stay as they were best on them. Where questions are
    answered from candidates all parts but popularity stay.
    """
    started = time.perf_counter()
    encoder = None if settings.text == "words" else encoder
    catalogue, texts, customers, reviews = _read(shop, settings, read_reviews=encoder is not None)
    n_items, histories = len(catalogue), customers.histories
    rest, cases, n_held = _held_out(histories, n_items, settings)
    understanding, vectors = understand(texts, encoder, work)
    log: dict[str, Any] = {
        "n_items": n_items,
        "n_customers": len(customers),
        "n_events": len(histories.items),
        "encoder": None if encoder is None or understanding.features.embeddings is None else encoder.name,
        "seconds": {"encoding": round(time.perf_counter() - started, 3)},
    }
    if settings.tuning.steps and vectors is not None and isinstance(encoder, TrainableEncoder):
        understanding, log["tuning"] = tuned(
            understanding, encoder, texts, vectors, rest, cases, settings, work
        )
    features = replace(understanding.features, pictures=seen(pictures, catalogue))
    if features.pictures is not None:
        log["n_pictures"] = int(features.pictures.any(axis=1).sum())
    read = review_embeddings(understanding, reviews, work)
    if read is not None:
        features, log["n_reviews"] = replace(features, reviews=read), len(read)
    del texts, reviews
    chosen = learn_blends(rest, cases, n_held, catalogue, features, settings, work)
    del rest
    log["seconds"] |= chosen.log.pop("seconds", {})
    log |= chosen.log
    ours = log["validation"].get("systems", {}).get(OURS, {})
    if ours.get("texts"):
        log["note"] = told(ours["texts"], ours["out of fold"].get("served"))
    parts, found = fit_parts(
        histories, n_items, features, settings, learned=chosen.learned, scales=log.get("scales"), work=work
    )
    log["training"] = log.get("training", {}) | found["training"]
    log["seconds"]["parts"] = found["seconds"]
    systems, blend = chosen.blends or default_blends(list(parts), len(customers))
    finder = finder_of(parts, blend, catalogue, settings, chosen.indexes)
    how = (
        None
        if "item_knn" in chosen.learned
        else How.of(histories, settings.links(n_items), settings.max_pairs)
    )
    fitted = Fitted(catalogue, customers, understanding, parts, systems, blend, finder, how)
    log["retrieval"] = {"method": "exact"} if finder is None else compared(fitted, settings.seed)
    log["seconds"]["all"] = round(time.perf_counter() - started, 3)
    return fitted, log


def _read(
    shop: Shop, settings: RecommendSettings, *, read_reviews: bool
) -> tuple[Catalogue, tuple[str, ...], Customers, tuple[str, ...]]:
    """The catalogue, its texts, the customers and the texts of their reviews."""
    catalogue = read_catalogue(shop)
    customers = read_customers(shop, catalogue, settings)
    customers, reviews = with_reviews(shop, catalogue, customers, settings.max_reviews if read_reviews else 0)
    return replace(catalogue, texts=()), catalogue.texts, customers, reviews


def _held_out(
    histories: Histories, n_items: int, settings: RecommendSettings
) -> tuple[Histories, Cases | None, int]:
    """The histories less what is held out, those cases, and how many there are; None where they are too few.

    As many as have scores that fit in memory, unless candidates are scored.
    """
    n = settings.n_validation
    if not settings.by_candidates(n_items):
        n = n_scored(n, n_items, least=MIN_VALIDATION)
    n_unsold = n_items - len(np.unique(histories.items))
    rest, cases = hold_out(
        histories, n, settings.validation_seed, repeats=settings.repeats, n_unsold=n_unsold
    )
    few = len(cases) < MIN_VALIDATION
    return (histories, None, len(cases)) if few else (rest, cases, len(cases))


def compared(fitted: Fitted, seed: int) -> dict[str, Any]:
    """How much of the ten best of a scan of every item the candidates find, for N_COMPARED customers."""
    rows = stream(seed, "candidates").permutation(len(fitted.customers))[:N_COMPARED]
    scan, shares = replace(fitted, finder=None), []
    for row in rows:
        query = RecommendQuery(user_id=fitted.customers.user_ids[row], k=10)
        true, found = (
            {one.item_id for one in recommend(some, query, text_weight=1.0).items} for some in (scan, fitted)
        )
        shares.append(len(true & found) / max(len(true), 1))
    return {"method": "approximate", "recall@10": round(float(np.mean(shares)), 4), "n": len(rows)}


def understand(
    texts: tuple[str, ...], encoder: Encoder | None, work: Path | None
) -> tuple[Understanding, F32 | None]:
    """TF-IDF and whitened embeddings of the items, and the vectors as they came [I, d].

    None of either where no item has a text; the vector of an item without one is zero. Texts that are bare
    numbers, such as the ids of categories, are words, and nothing that a language model could know.
    """
    there = [i for i, text in enumerate(texts) if text.strip()]
    if not there:
        return Understanding(Features(None, None), encoder=encoder), None
    vectorizer = TfidfVectorizer.of([texts[i] for i in there])
    tfidf = vectorizer.features(texts)
    vectors = embeddings = whitening = None
    told = [i for i in there if is_language(texts[i])]
    if encoder is not None and told:
        vectors = np.zeros((len(texts), encoder.dim), np.float32)
        vectors[told] = memo_vectors(encoder, [texts[i] for i in told], work=work)
        whitening = Whitening.of(vectors[told])
        embeddings = whitening(vectors)
    features = Features(tfidf if tfidf.nnz else None, embeddings)
    made = Understanding(features, vectorizer, encoder, whitening)
    if embeddings is not None:
        scripts = read_scripts([texts[i] for i in told], getattr(encoder, "tokenizer", None))
        made = replace(made, between=directions_between(embeddings[told], scripts))
    return made, vectors


def tuned(
    before: Understanding,
    encoder: TrainableEncoder,
    texts: tuple[str, ...],
    vectors: F32,
    histories: Histories,
    cases: Cases | None,
    settings: RecommendSettings,
    work: Path | None,
) -> tuple[Understanding, dict[str, Any]]:
    """The items understood by the encoder fine-tuned on behaviour, if that pays on the cases; and its log.

    What pays is told by the plain cosine of a history's mean with each item, before anything else is learned.
    """
    room = None if work is None else work / digest(histories.offsets, histories.items, vectors)[:12]
    fresh, training = fit_encoder(encoder, texts, vectors, histories, settings, work=room)
    if not training:
        return before, {"kept": False}
    after, _ = understand(texts, fresh, work)
    log: dict[str, Any] = {"kept": True, "training": training}
    if cases is not None:
        cases = cases.first(n_scored(len(cases), len(texts)))
        asked = histories.at(cases.customers)
        values = values_of(asked, cases, len(texts), masked=not settings.repeats)
        came, learned = (
            values(untrained(known.features.embeddings, settings.decay).scores(asked), slice(None))
            for known in (before, after)
            if known.features.embeddings is not None
        )
        log["ndcg@10"] = {"as it came": float(came.mean()), "fine-tuned": float(learned.mean())}
        log["kept"] = ahead(learned, came)
    return after if log["kept"] else before, log


def tuned_encoder(
    shop: Shop, encoder: TrainableEncoder, settings: RecommendSettings, work: Path | None
) -> tuple[TrainableEncoder, dict[str, Any]]:
    """The encoder fine-tuned on what the shop's customers choose, whether that pays or not, and the log.

    It has not seen the events that `fit` holds out with the same settings. Itself, with an empty log, where
    no item has a text or no customer two events.
    """
    catalogue, texts, customers, _ = _read(shop, settings, read_reviews=False)
    rest, _, _ = _held_out(customers.histories, len(catalogue), settings)
    _, vectors = understand(texts, encoder, work)
    if vectors is None:
        return encoder, {}
    return fit_encoder(encoder, texts, vectors, rest, settings)


@dataclass(frozen=True)
class Chosen:
    """What the held-out cases decided. Without cases all but the log is empty."""

    log: dict[str, Any]
    blends: tuple[dict[str, Blend], ColdBlend] | None = None
    """The weights of every system, and of the one that answers."""
    learned: Mapping[str, Scorer] = field(default_factory=dict)
    """Parts to keep: the networks. Where candidates are scored all but popularity, since the few events held
    out of so many are not worth a second fit."""
    indexes: Mapping[str, VectorIndex] = field(default_factory=dict)


def learn_blends(
    rest: Histories,
    cases: Cases | None,
    n_held: int,
    catalogue: Catalogue,
    features: Features,
    settings: RecommendSettings,
    work: Path | None,
) -> Chosen:
    """The strength of closed forms, the parts fitted on what is not held out, and their weights."""
    if cases is None:
        note = "too few customers: weights are the defaults"
        return Chosen({"validation": {"n": n_held, "note": note}})
    n_items, large = len(catalogue), settings.by_candidates(len(catalogue))
    scales = choose_scales(rest, n_items, features, settings, cases)
    parts, log = fit_parts(rest, n_items, features, settings, cases=cases, scales=scales, work=work)
    indexes: dict[str, VectorIndex] = {}
    if large:
        finder = Finder.of(parts, list(parts), catalogue.ties, settings.n_candidates)
        indexes = {name: near.index for name, near in finder.near.items()}
        systems, blend, found = choose_among(parts, finder, rest, cases, settings)
    else:
        systems, blend, found = choose_blends(parts, rest, n_items, cases, settings)
    made: dict[str, Any] = {
        "scales": scales,
        "validation": {"n": len(cases), "metric": "ndcg@10", "systems": found},
        "weights": blend.to_dict(),
        "dropped_parts": found[OURS]["dropped"],
        "seconds": {"validation": log["seconds"]},
        "training": log["training"],
    }
    keep = [name for name in parts if name in NETWORKS or (large and name != "popularity")]
    return Chosen(made, (systems, blend), {name: parts[name] for name in keep}, indexes)


def default_blends(names: list[str], n_customers: int) -> tuple[dict[str, Blend], ColdBlend]:
    """Every system that these parts allow, and the one that answers, with weights that suit most shops.

    Networks that nothing held out has checked weigh the less, the fewer customers they have learned from.
    """
    some = {name: WEIGHTS.get(name, 1.0) for name in names}
    some |= {name: some[name] * trust(n_customers) for name in NETWORKS if name in some}
    systems = {
        row: Blend(inside, tuple(some[name] for name in inside) if len(inside) > 1 else (1.0,))
        for row, inside in systems_of(some).items()
    }
    return systems, ColdBlend.of(systems.pop(OURS))
