"""What is chosen on held-out customers: how strong each closed form's ridge is, and what each part weighs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retailor.metrics.ranking import NOT_FOUND, Ranked, ndcg_at, target_ranks
from retailor.progress import track
from retailor.retrieval.blend import GRID, Blend, choose_weights, shrunk, standardise, trust
from retailor.retrieval.histories import Histories, Scorer
from retailor.tasks.recommend.blend.coldness import (
    CUSTOMERS,
    ITEMS,
    ColdBlend,
    Groups,
    customer_groups,
    item_groups,
    without_say,
)
from retailor.tasks.recommend.blend.folds import AS_LEARNED, Rows, Values, ahead, leader
from retailor.tasks.recommend.blend.texts import choose_texts
from retailor.tasks.recommend.cases import Cases
from retailor.tasks.recommend.query.candidates import Finder
from retailor.tasks.recommend.scorers.makers import closed_forms
from retailor.tasks.recommend.scorers.parts import ALL_TEXTS, OURS, WEIGHTS, Features, systems_of
from retailor.tasks.recommend.settings import RecommendSettings

F32 = NDArray[np.float32]
ROUNDS = 2
LEAST_CASES = 200
LEAST_COLD = 30
LEAST_GROUP_GAIN = 0.003
SCALES = (1.0, 0.01, 0.03, 0.1, 0.3, 3.0)
"""Tried in this order: where several are equally good the setting as it is wins."""


def values_of(asked: Histories, cases: Cases, n_items: int, *, masked: bool = True) -> Values:
    """NDCG@10 of each of some cases, own histories masked; it leaves the scores as they are."""
    seen = asked.matrix(n_items)

    def ndcg(scores: F32, rows: Rows) -> NDArray[np.float64]:
        targets = cases.targets[rows]
        ranks = target_ranks(scores, targets)
        if masked:
            own = scores[np.arange(len(targets)), targets]
            mine = seen[rows].tocoo()
            hidden = scores[mine.row, mine.col] >= own[mine.row]
            ranks = ranks - np.bincount(mine.row[hidden], minlength=len(targets))
        return ndcg_at(Ranked.single(ranks), 10)

    return ndcg


def measure_of(
    asked: Histories, cases: Cases, n_items: int, *, masked: bool = True
) -> Callable[[F32], float]:
    """The mean of `values_of` over all cases."""
    return _mean(values_of(asked, cases, n_items, masked=masked))


def _mean(values: Values) -> Callable[[F32], float]:
    return lambda scores: float(values(scores, slice(None)).mean())


def choose_scales(
    histories: Histories, n_items: int, features: Features, settings: RecommendSettings, cases: Cases
) -> dict[str, float]:
    """For each closed form the factor on its ridge and kernel that is best on the cases; {} for many items.

    The defaults suit thousands of customers. With fewer, such a ridge leaves nothing but popularity.
    """
    if not 0 < n_items <= settings.max_tuned:
        return {}
    asked = histories.at(cases.customers)
    measure = measure_of(asked, cases, n_items, masked=not settings.repeats)
    matrix = histories.matrix(n_items)
    found = {}
    for name, make in closed_forms(matrix, features, settings).items():
        values = {scale: measure(make(scale).scores(asked)) for scale in SCALES}
        found[name] = max(SCALES, key=lambda scale: values[scale])
    return found


def choose_blends(
    parts: Mapping[str, Scorer],
    histories: Histories,
    n_items: int,
    cases: Cases,
    settings: RecommendSettings,
) -> tuple[dict[str, Blend], ColdBlend, dict[str, Any]]:
    """The weights of each system and of the one that answers, and how they were found.

    They are the best on the cases, drawn towards the defaults where those are few. The one that answers has
    weights of its own for cold customers and items, and is a single part where that is ahead out of fold.
    It leaves out the encoder's parts, or words too, where these do not pay; but of items never seen, unless
    the cases ask for some, all that read speak.
    """
    asked = histories.at(cases.customers)
    values = values_of(asked, cases, n_items, masked=not settings.repeats)
    z = {name: standardise(part.scores(asked)) for name, part in parts.items()}
    systems, log = _systems(z, values, len(cases))
    whole = systems[OURS]
    start, alone = _started(systems, log, z, values, len(cases), settings.text)
    seen = np.asarray((histories.matrix(n_items) > 0).sum(axis=0)).ravel()
    items, told = item_groups(seen), int((seen[cases.targets] == 0).sum()) >= LEAST_COLD
    if alone is not None:
        log[OURS] |= {"by coldness": [], "dropped": {}}
        return systems, ColdBlend.only(alone, whole, told=told), log
    z = {name: z[name] for name in start.names}
    begin = cold_start(start, z, asked, items, values, told=told)
    blend, log[OURS]["by coldness"] = choose_by_coldness(
        begin, z, asked, cases, items, told=told, masked=not settings.repeats
    )
    sure = trust(len(cases)) == 1 or log[OURS]["out of fold"]["served"] == AS_LEARNED
    blend, log[OURS]["dropped"] = drop_parts(
        blend,
        z,
        asked,
        items,
        _mean(values),
        settings.least_gain,
        told=told,
        sure=sure,
    )
    return systems, blend if told or start.names == whole.names else blend.with_new(whole), log


def _systems(
    z: Mapping[str, F32], values: Values, n_cases: int, *, least_gain: float = 0.0
) -> tuple[dict[str, Blend], dict[str, Any]]:
    """The blend of each system that the parts allow, and how it was found; `least_gain` is for ours."""
    systems: dict[str, Blend] = {}
    log: dict[str, Any] = {}
    for row, names in systems_of(z).items():
        learned, log[row] = choose_weights(
            {name: z[name] for name in names},
            _mean(values),
            least_gain=least_gain if row == OURS else 0.0,
            standardised=True,
        )
        systems[row] = shrunk(learned, WEIGHTS, n_cases)
    return systems, log


def _started(
    systems: dict[str, Blend],
    log: dict[str, Any],
    z: Mapping[str, F32],
    values: Values,
    n_cases: int,
    wanted: str,
) -> tuple[Blend, str | None]:
    """The blend that answers, drawn to the default or as it was learned, and the part that answers alone if
    one does. OURS is taken from `systems`, and in the log it is the system whose texts pay."""
    texts = choose_texts(z, {row: systems[row].names for row in systems}, values, n_cases, wanted)
    blend, whole = systems[texts.row], systems.pop(OURS)
    if texts.row != OURS:
        systems[ALL_TEXTS], log[ALL_TEXTS] = whole, log[OURS]
    log[OURS] = {**log[texts.row], "texts": texts.log}
    served, log[OURS]["out of fold"] = leader(z, blend.names, values, n_cases, texts.scored.get(texts.row))
    if served == AS_LEARNED:
        return Blend(blend.names, tuple(log[OURS]["weights"][name] for name in blend.names)), None
    return blend, served


def choose_among(
    parts: Mapping[str, Scorer],
    finder: Finder,
    histories: Histories,
    cases: Cases,
    settings: RecommendSettings,
) -> tuple[dict[str, Blend], ColdBlend, dict[str, Any]]:
    """`choose_blends` on candidates in place of every item: a target that is not among them is not found.

    The weights are the same for cold customers and items as for others: candidates of a large catalogue
    are seldom cold.
    """
    asked, names = histories.at(cases.customers), list(parts)
    pools = [
        finder.pool(parts, names, asked.at(slice(i, i + 1)))
        for i in track(range(len(cases)), "candidates", len(cases))
    ]
    width = max(len(pool.rows) for pool in pools)
    hidden = np.ones((len(cases), width), bool)
    place = np.full(len(cases), -1)
    z = {name: np.zeros((len(cases), width), np.float32) for name in names}
    for i, pool in enumerate(pools):
        own = asked.items[asked.offsets[i] : asked.offsets[i + 1]]
        hidden[i, : len(pool.rows)] = np.isin(pool.rows, own) & (not settings.repeats)
        place[i] = next(iter(np.flatnonzero(pool.rows == cases.targets[i])), -1)
        for name in names:
            z[name][i, : len(pool.rows)] = pool.z[name]
    del pools

    def ndcg(scores: F32, rows: Rows) -> NDArray[np.float64]:
        shown = np.where(hidden[rows], np.float32(-np.inf), scores)
        spot = place[rows]
        ranks = np.where(spot >= 0, target_ranks(shown, np.maximum(spot, 0)), NOT_FOUND)
        return ndcg_at(Ranked.single(ranks), 10)

    least = settings.least_gain if trust(len(cases)) == 1 else 0.0
    systems, log = _systems(z, ndcg, len(cases), least_gain=least)
    whole = systems[OURS]
    ours, alone = _started(systems, log, z, ndcg, len(cases), settings.text)
    log[OURS]["by coldness"] = []
    log[OURS]["found"] = float((place >= 0).mean())
    if alone is not None:
        return systems, ColdBlend.only(alone, whole, told=False), log
    blend = ColdBlend.of(ours)
    return systems, blend if ours.names == whole.names else blend.with_new(whole), log


def cold_start(
    start: Blend, z: Mapping[str, F32], asked: Histories, items: Groups, values: Values, *, told: bool
) -> ColdBlend:
    """`start` for all groups; about new items only what parts say that know them by their text.

    Where the cases ask for new items (`told`), all parts have a say about them if that is better.
    """
    derived, plain = ColdBlend.of(start), ColdBlend.plain(start)
    if not told:
        return derived
    customers = customer_groups(asked)
    with_say, without = (
        values(blend.join_standardised(z, customers, items), slice(None)).mean() for blend in (plain, derived)
    )
    return plain if with_say > without else derived


def choose_by_coldness(
    start: ColdBlend,
    z: Mapping[str, F32],
    asked: Histories,
    cases: Cases,
    items: Groups,
    *,
    told: bool = False,
    masked: bool = True,
) -> tuple[ColdBlend, list[dict[str, Any]]]:
    """The weights a group of customers and items that are best on the cases, and the steps to them.

    Goes ROUNDS times through the parts: another weight of a part in one pair of groups is taken where NDCG on
    that group's customers gains LEAST_GROUP_GAIN of itself, and clearly where they are few. Groups of fewer
    than LEAST_CASES customers keep `start`, those of fewer than ENOUGH are drawn towards it. The weights of
    new items follow from the others' unless the cases ask for such items (`told`).
    """
    weights = start.weights.copy()
    log: list[dict[str, Any]] = []
    customers = customer_groups(asked)
    for i, customer in enumerate(CUSTOMERS):
        rows = np.flatnonzero(customers == i)
        if len(rows) < LEAST_CASES:
            continue
        some = Cases(cases.customers[rows], cases.targets[rows])
        values = values_of(asked.at(rows), some, len(items), masked=masked)
        inside = {name: block[rows] for name, block in z.items()}
        total = start.join_standardised(inside, customers[rows], items)
        learned, steps = _climb(start.names, weights[i], inside, total, items, values, told=told)
        log += [{"customers": customer, **step} for step in steps]
        share = trust(len(rows))
        weights[i] = share * learned + (1 - share) * start.weights[i]
    return ColdBlend(start.names, weights if told else without_say(start.names, weights)), log


def _climb(
    names: Sequence[str],
    start: NDArray[np.float64],
    z: Mapping[str, F32],
    total: F32,
    items: Groups,
    values: Values,
    *,
    told: bool,
) -> tuple[NDArray[np.float64], list[dict[str, Any]]]:
    """The weights [item groups, parts] of one group of customers, a step at a time, and the steps taken.

    `total` are the scores [n, I] under `start`; they change in place.
    """
    weights, steps = start.copy(), []
    best = values(total, slice(None))
    groups = range(0 if told else 1, len(ITEMS))
    for j, p in [(j, p) for _ in range(ROUNDS) for j in groups for p in range(len(names))]:
        own = weights[j, p]
        block = z[names[p]] * (items == j).astype(np.float32)
        tried = {w: values(total + np.float32(w - own) * block, slice(None)) for w in GRID if w != own}
        weight = max(tried, key=lambda w: tried[w].mean())
        gains = tried[weight].mean() > best.mean() * (1 + LEAST_GROUP_GAIN)
        if gains and ahead(tried[weight], best):
            total += np.float32(weight - own) * block
            step = {"items": ITEMS[j], "part": names[p], "weight": weight}
            steps.append(step | {"before": float(best.mean()), "after": float(tried[weight].mean())})
            best, weights[j, p] = tried[weight], weight
    return weights, steps


def drop_parts(
    blend: ColdBlend,
    z: Mapping[str, F32],
    asked: Histories,
    items: Groups,
    measure: Callable[[F32], float],
    least_gain: float,
    *,
    told: bool = False,
    sure: bool = True,
) -> tuple[ColdBlend, dict[str, float]]:
    """The blend without the parts that do not pay, and what NDCG would be without each of those.

    A part that weighs least is looked at first; it is dropped when NDCG without it is at least 1 − least_gain
    of the best. Unless the cases are enough to be `sure`, only parts that weigh nothing are dropped.
    """
    customers = customer_groups(asked)

    def without(weights: NDArray[np.float64]) -> ColdBlend:
        return ColdBlend(blend.names, weights if told else without_say(blend.names, weights))

    weights, dropped = blend.weights.copy(), {}
    best = measure(blend.join_standardised(z, customers, items))
    for p in np.argsort(weights.sum(axis=(0, 1))):
        changed = weights.copy()
        changed[:, :, p] = 0
        if not changed.any() or not (sure or (changed == weights).all()):
            break
        value = measure(without(changed).join_standardised(z, customers, items))
        if value >= best * (1 - least_gain):
            weights, dropped[blend.names[p]] = changed, value
    return without(weights), dropped
