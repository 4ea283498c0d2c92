"""Toy tasks and a toy run folder: real artifacts that a Service opens in milliseconds, without any model."""

from __future__ import annotations

import hashlib
import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from retailor.metrics.scores import Scores
from retailor.models.shapes import OpenEncoder
from retailor.shop.gone import Gone
from retailor.shop.tables import LABELS, Shop
from retailor.store import artifact
from retailor.tasks.answer.shapes import Answered, AnswerQuery, Evidence
from retailor.tasks.entry import Entry
from retailor.tasks.reasons import Why
from retailor.tasks.recommend.shapes import Recommendations, RecommendQuery
from retailor.tasks.registry import TASKS
from retailor.tasks.review.shapes import Draft, ReviewQuery
from retailor.tasks.search.shapes import Found, SearchQuery, Suggestion, Suggestions, Typed
from retailor.tasks.sentiment.shapes import Sentiment, SentimentQuery
from retailor.tasks.shapes import Recommended


class _Toy:
    """What the toys share: their state is one JSON file."""

    kind: ClassVar[str]

    def __init__(self, state: dict[str, Any] | None = None) -> None:
        self.state = state or {}

    def evaluate(self, shop: Shop) -> Scores:
        return Scores(())

    def save(self, folder: Path) -> None:
        with artifact.writing(folder, self.kind) as new:
            (new / "state.json").write_text(json.dumps(self.state), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path, *, open_encoder: OpenEncoder | None = None) -> Self:
        artifact.verify(folder, cls.kind)
        return cls(json.loads((Path(folder) / "state.json").read_text(encoding="utf-8")))


class ToyRecommender(_Toy):
    """The most popular items that the customer does not have."""

    kind = "recommend"

    def fit(self, shop: Shop, *, work: Path | None = None) -> Self:
        shop.require(self.kind, "events")
        seen: dict[str, list[str]] = {}
        for user_id, item_id in shop.events.select("user_id", "item_id").iter_rows():
            seen.setdefault(user_id, []).append(item_id)
        counts = Counter(shop.events["item_id"].to_list())
        self.state = {"seen": seen, "popular": sorted(counts.items(), key=lambda each: (-each[1], each[0]))}
        return self

    def update(self, shop: Shop) -> Self:
        """With the shop's events counted in; new items wait for one."""
        seen = {user_id: list(items) for user_id, items in self.state["seen"].items()}
        counts = Counter(dict(self.state["popular"]))
        counts.update(dict.fromkeys(shop.items["item_id"], 0))
        for user_id, item_id in shop.events.select("user_id", "item_id").iter_rows():
            seen.setdefault(user_id, []).append(item_id)
            counts[item_id] += 1
        self.state = {"seen": seen, "popular": sorted(counts.items(), key=lambda each: (-each[1], each[0]))}
        return self

    def predict(self, queries: Sequence[RecommendQuery]) -> list[Recommendations]:
        return [self._one(query) for query in queries]

    def seen(self, query: RecommendQuery) -> tuple[str, ...]:
        """The customer's items."""
        return (*self.state["seen"].get(query.user_id, ()), *query.item_ids)[-10:]

    def traits(self, item_ids: Sequence[str]) -> NDArray[np.float64]:
        """Two numbers out of the hash of each id."""
        found = [hashlib.sha256(each.encode()).digest()[:2] for each in item_ids]
        return np.array([[byte / 128 - 1 for byte in each] for each in found]).reshape(-1, 2)

    def _one(self, query: RecommendQuery) -> Recommendations:
        history = (*self.state["seen"].get(query.user_id, ()), *query.item_ids)
        without = {*query.exclude, *query.hidden, *(history if query.exclude_seen else ())}
        items = [(each, n) for each, n in self.state["popular"] if each not in without][: query.k]
        found = (Recommended.of(each, float(n), Why("popular", "", (), n), history[-1:]) for each, n in items)
        return Recommendations(tuple(found))


class ToySearch(_Toy):
    """Items whose title shares words with the query."""

    kind = "search"

    def fit(self, shop: Shop, *, work: Path | None = None) -> Self:
        shop.require(self.kind, "items")
        self.state = {"titles": dict(shop.items.select("item_id", "title").iter_rows())}
        return self

    def update(self, shop: Shop) -> Self:
        """With the titles of the shop."""
        self.state = {
            "titles": self.state["titles"] | dict(shop.items.select("item_id", "title").iter_rows())
        }
        return self

    def predict(self, queries: Sequence[SearchQuery]) -> list[Found]:
        return [self._one(query) for query in queries]

    def suggest(self, typed: Typed) -> Suggestions:
        """Titles that begin with what was typed."""
        titles = sorted({each for each in self.state["titles"].values() if each.startswith(typed.text)})
        return Suggestions(tuple(Suggestion(each, "item") for each in titles[: typed.k]))

    def _one(self, query: SearchQuery) -> Found:
        words = set(query.text.lower().split())
        scores = {
            each: len(words & set(title.lower().split())) for each, title in self.state["titles"].items()
        }
        best = sorted(
            (-n, each) for each, n in scores.items() if n and each not in {*query.exclude, *query.hidden}
        )[: query.k]
        return Found(tuple(Recommended(each, float(-n), "shares words") for n, each in best))


class ToyAnswerer(_Toy):
    """The attribute that the question names."""

    kind = "answer"

    def fit(self, shop: Shop, *, work: Path | None = None) -> Self:
        shop.require(self.kind, "items")
        self.state = {"attributes": dict(shop.items.select("item_id", "attributes").iter_rows())}
        return self

    def predict(self, queries: Sequence[AnswerQuery]) -> list[Answered]:
        return [self._one(query) for query in queries]

    def _one(self, query: AnswerQuery) -> Answered:
        asked = " ".join([*(question for question, _ in query.history), query.question]).lower()
        for item_id in [query.item_id] if query.item_id else self.state["attributes"]:
            for each in self.state["attributes"].get(item_id) or ():
                if each["name"].lower() in asked:
                    text = f"{each['name']}: {each['value']}"
                    return Answered(text, True, 0.9, (Evidence(text, "attribute", item_id, 1.0),))
        return Answered("The shop's data do not say.", False, 0.2)


class ToySentiment(_Toy):
    """Counts good and bad words. A text with the word 'poison' breaks it, to test who else that hurts."""

    kind = "sentiment"
    good: ClassVar[set[str]] = {"good", "great", "love", "soft", "好"}
    bad: ClassVar[set[str]] = {"bad", "broke", "awful", "hate", "差"}

    def fit(self, shop: Shop, *, work: Path | None = None) -> Self:
        shop.require(self.kind, "reviews")
        return self

    def predict(self, queries: Sequence[SentimentQuery]) -> list[Sentiment]:
        if any("poison" in query.text for query in queries):
            raise ValueError("the words of a customer")
        return [self._one(query.text.lower()) for query in queries]

    def _one(self, text: str) -> Sentiment:
        good, bad = (sum(word in text for word in words) for words in (self.good, self.bad))
        weights = dict(zip(LABELS, (1 + 3 * bad, 1 + (good == bad), 1 + 3 * good), strict=True))
        total = sum(weights.values())
        probabilities = {label: weight / total for label, weight in weights.items()}
        return Sentiment(max(probabilities, key=lambda label: probabilities[label]), probabilities)


class ToyReviewer(_Toy):
    """A sentence with the stars and the aspects in it."""

    kind = "review"

    def fit(self, shop: Shop, *, work: Path | None = None) -> Self:
        shop.require(self.kind, "items")
        self.state = {"titles": dict(shop.items.select("item_id", "title").iter_rows())}
        return self

    def predict(self, queries: Sequence[ReviewQuery]) -> list[Draft]:
        return [self._one(query) for query in queries]

    def _one(self, query: ReviewQuery) -> Draft:
        title = self.state["titles"].get(query.item_id, query.item_id)
        praise = "".join(f" The {each}!" for each in query.aspects)
        text = f"{query.rating:g} stars for {title}.{praise}"
        return Draft(text, title[:20], query.item_id, query.rating, _mark_of(text))

    def describe(self, item_id: str, *, language: str | None = None, seed: int = 0) -> Draft:
        """The title and the language in a sentence."""
        title = self.state["titles"][item_id]
        text = f"{title}, described in '{language}' ({seed})."
        return Draft(text, title[:20], item_id, 0.0, _mark_of(text))


def _mark_of(text: str) -> dict[str, Any]:
    sha256 = hashlib.sha256(text.encode()).hexdigest()
    return {"generated": True, "by": "toy", "at": "2024-01-01T00:00:00+00:00", "sha256": sha256}


def _forget(folder: Path, gone: Gone) -> bool:
    path = folder / "state.json"
    state = json.loads(path.read_text(encoding="utf-8"))
    left = {user_id: items for user_id, items in state["seen"].items() if user_id not in gone.user_ids}
    if len(left) == len(state["seen"]):
        return False
    path.unlink()
    path.write_text(json.dumps({**state, "seen": left}), encoding="utf-8")
    return True


TOYS: tuple[type[Any], ...] = (ToyRecommender, ToySearch, ToyAnswerer, ToySentiment, ToyReviewer)
TOY_TASKS: dict[str, Entry] = {
    toy.kind: replace(TASKS[toy.kind], load=toy.load, forget=_forget if toy is ToyRecommender else None)
    for toy in TOYS
}
"""The entries of our tasks, which open toys."""


class SlowSentiment(ToySentiment):
    """A text `sleep 0.5` takes that long."""

    def predict(self, queries: Sequence[SentimentQuery]) -> list[Sentiment]:
        for query in queries:
            if query.text.startswith("sleep "):
                time.sleep(float(query.text.removeprefix("sleep ")))
        return super().predict(queries)


SLOW_TASKS: dict[str, Entry] = {
    **TOY_TASKS, "sentiment": replace(TOY_TASKS["sentiment"], load=SlowSentiment.load)
}  # fmt: skip


def toy_run(folder: Path, shop: Shop, *, without: Sequence[str] = (), name: str = "toy") -> Path:
    """A run folder of toy tasks fitted on the shop, as `retailor run` would leave it."""
    shop.save(folder / "stages" / "clean")
    stages = [{"name": "clean", "kind": "shop", "folder": "stages/clean", "fingerprint": "0"}]
    for toy in TOYS:
        stage = {"name": f"fit-{toy.kind}", "folder": f"stages/fit-{toy.kind}", "fingerprint": "0"}
        if toy.kind in without:
            stages.append({**stage, "kind": "absent", "reason": "the shop has no data for it"})
            continue
        toy().fit(shop).save(folder / stage["folder"])
        stages.append({**stage, "kind": toy.kind})
    (folder / "run.json").write_text(json.dumps({"name": name, "stages": stages}), encoding="utf-8")
    return folder
