"""From a shop to a fitted recommender: read, understand the items, learn the blend, fit every part."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from retailor.models.shapes import Encoder
from retailor.retrieval.blend import Blend
from retailor.retrieval.collab import Histories
from retailor.shop.tables import Shop
from retailor.tasks.recommend.customers import hold_out, read_catalogue, read_customers
from retailor.tasks.recommend.model import Fitted, Understanding
from retailor.tasks.recommend.parts import WEIGHTS, Features, fit_parts, names_of, systems_of
from retailor.tasks.recommend.settings import RecommendSettings
from retailor.tasks.recommend.taste import Taste, Whitening
from retailor.tasks.recommend.tuning import choose_blends, choose_scales
from retailor.tasks.recommend.vectors import encoded
from retailor.tasks.recommend.words import WordSpace

MIN_VALIDATION = 30
VALIDATION_SCORES = 60_000_000


def fit(
    shop: Shop, encoder: Encoder | None, settings: RecommendSettings, work: Path | None
) -> tuple[Fitted, dict[str, Any]]:
    """The fitted recommender and the log of how it was made.

    The last event of some customers is held out to learn the weights; then every part is fitted again with
    those events, but for the learned networks, which stay as they were best on them.
    """
    started = time.perf_counter()
    catalogue = read_catalogue(shop)
    customers = read_customers(shop, catalogue, settings)
    texts = catalogue.texts
    catalogue = replace(catalogue, texts=())
    understanding = understand(texts, encoder, work)
    features, histories = understanding.features, customers.histories
    log: dict[str, Any] = {
        "n_items": len(catalogue),
        "n_customers": len(customers),
        "n_events": len(histories.items),
        "encoder": None if encoder is None or features.meaning is None else encoder.name,
        "seconds": {"encoding": round(time.perf_counter() - started, 3)},
    }
    systems, taste, found = learn_blends(histories, len(catalogue), features, settings, work)
    log["seconds"] |= found.pop("seconds")
    log |= found
    parts, found = fit_parts(
        histories, len(catalogue), features, settings, taste=taste, scales=log.get("scales"), work=work
    )
    log["seconds"] |= {"parts": found.pop("seconds"), "all": round(time.perf_counter() - started, 3)}
    log |= found
    return Fitted(catalogue, customers, understanding, parts, systems), log


def understand(texts: tuple[str, ...], encoder: Encoder | None, work: Path | None) -> Understanding:
    """Word features and whitened vectors of the items; none of either where no item has a text."""
    written = [i for i, text in enumerate(texts) if text.strip()]
    if not written:
        return Understanding(Features(None, None), encoder=encoder)
    space = WordSpace.of([texts[i] for i in written])
    words = space.features(texts)
    meaning = whitening = None
    if encoder is not None:
        vectors = np.zeros((len(texts), encoder.dim), np.float32)
        vectors[written] = encoded(encoder, [texts[i] for i in written], work)
        whitening = Whitening.of(vectors[written])
        meaning = whitening(vectors)
    return Understanding(Features(words if words.nnz else None, meaning), space, encoder, whitening)


def learn_blends(
    histories: Histories, n_items: int, features: Features, settings: RecommendSettings, work: Path | None
) -> tuple[dict[str, Blend], Taste | None, dict[str, Any]]:
    """The weights of every system, the taste that was learned on the way, if any, and the log of both."""
    n = min(settings.n_validation, max(MIN_VALIDATION, VALIDATION_SCORES // max(n_items, 1)))
    rest, cases = hold_out(histories, n, settings.seed)
    if len(cases) < MIN_VALIDATION:
        note = "too few customers: weights are the defaults"
        systems = default_blends(names_of(n_items, features, settings))
        return systems, None, {"validation": {"n": len(cases), "note": note}, "seconds": {}}
    scales = choose_scales(rest, n_items, features, settings, cases)
    parts, log = fit_parts(rest, n_items, features, settings, cases=cases, scales=scales, work=work)
    systems, found = choose_blends(parts, rest, n_items, cases, settings)
    made: dict[str, Any] = {
        "scales": scales,
        "validation": {"n": len(cases), "metric": "ndcg@10", "systems": found},
        "weights": systems["retailor"].to_dict(),
        "dropped": found["retailor"]["dropped"],
        "seconds": {"validation": log["seconds"]},
    }
    if "taste" in log:
        made["training"] = log["taste"]
    taste = parts.get("taste")
    return systems, taste if isinstance(taste, Taste) else None, made


def default_blends(names: list[str]) -> dict[str, Blend]:
    """Every system that these parts allow, with weights that suit most shops."""
    some = {name: WEIGHTS.get(name, 1.0) for name in names}
    return {
        row: Blend(inside, tuple(some[name] for name in inside) if len(inside) > 1 else (1.0,))
        for row, inside in systems_of(some).items()
    }
