"""A task of another package: how many words of a text the catalogue has. It shows all that a task needs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

import typer
from pydantic import BaseModel

from retailor.config import Field, settings
from retailor.metrics.scores import Score, Scores
from retailor.models.shapes import Encoder, Generator, OpenEncoder
from retailor.shop.tables import Shop
from retailor.store import artifact
from retailor.tasks.entry import Command, Entry, Http, Panel, PanelField, Said
from retailor.tasks.http import IN_A_URL, Served, Text, strict


@settings
class CountSettings:
    """What is a word."""

    min_letters: int = Field(2, ge=1)


@dataclass(frozen=True)
class CountQuery:
    """The text whose words are looked up."""

    text: str


@dataclass(frozen=True)
class Counted:
    """Of how many words the catalogue has how many."""

    known: int
    words: int


class Counter:
    """Knows the words of the titles."""

    kind: ClassVar[str] = "count"

    def __init__(self, settings: CountSettings, words: frozenset[str] = frozenset()) -> None:
        self.settings, self.words = settings, words

    def fit(self, shop: Shop, *, work: Path | None = None) -> Self:
        shop.require("count", "items")
        self.words = frozenset(self._split(" ".join(shop.items["title"].drop_nulls())))
        return self

    def _split(self, text: str) -> list[str]:
        return [word for word in text.lower().split() if len(word) >= self.settings.min_letters]

    def predict(self, queries: Sequence[CountQuery]) -> list[Counted]:
        split = [self._split(query.text) for query in queries]
        return [Counted(sum(word in self.words for word in words), len(words)) for words in split]

    def evaluate(self, shop: Shop) -> Scores:
        found = self.predict([CountQuery(title) for title in shop.items["title"].drop_nulls()])
        share = sum(each.known for each in found) / max(1, sum(each.words for each in found))
        return Scores((Score("retailor", "known words", share, share, share, len(found)),))

    def save(self, folder: Path) -> None:
        state = {"min_letters": self.settings.min_letters, "words": sorted(self.words)}
        with artifact.writing(folder, self.kind) as new:
            (new / "words.json").write_text(json.dumps(state), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path, *, open_encoder: OpenEncoder | None = None) -> Self:
        artifact.verify(folder, cls.kind)
        state = json.loads((Path(folder) / "words.json").read_text(encoding="utf-8"))
        return cls(CountSettings(min_letters=state["min_letters"]), frozenset(state["words"]))


class CountBody(BaseModel):
    """The text whose words are looked up."""

    model_config = strict({"text": "a warm blanket"})
    text: Text

    def query(self) -> CountQuery:
        return CountQuery(self.text)


class CountUrl(CountBody):
    model_config = IN_A_URL


class CountReply(BaseModel):
    known: int
    words: int
    cached: bool


def _shown(answer: Counted, served: Served) -> CountReply:
    return CountReply(known=answer.known, words=answer.words, cached=served.cached)


def _make(encoder: Encoder | None, generator: Generator | None, settings: Any) -> Counter:
    return Counter(settings)


def _query(text: Annotated[str, typer.Argument(help="Any text.")]) -> CountQuery:
    """Counts the words of a text that the catalogue has."""
    return CountQuery(text)


def _lines(answer: Counted, title: Callable[[str], str]) -> Iterator[str]:
    yield f"{answer.known} of {answer.words} words"


def _examples(task: Any, train: Shop, test: Shop, seed: int) -> list[dict[str, Any]]:
    titles = test.items["title"].drop_nulls().head(2).to_list()
    found = task.predict([CountQuery(title) for title in titles])
    return [{"counted title": title, "known": each.known} for title, each in zip(titles, found, strict=True)]


ENTRY = Entry(
    name="count",
    settings=CountSettings,
    answer=Counted,
    make=_make,
    load=Counter.load,
    http=Http("How many words of a text the catalogue has.", CountBody, CountReply, _shown, url=CountUrl),
    command=Command(_query, _lines),
    panel=Panel(
        tab=Said("Count words", "数词"),
        fields=(PanelField("text", Said("A text", "一段文字"), kind="long", required=True),),
        button=Said("Count", "计数"),
        examples=(Said("travel blanket", "旅行 毯子"),),
    ),
    examples=_examples,
    uses_encoder=False,
)
