"""What choosing a model is asked with, and what it says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from retailor.config import Field, settings


@settings
class ChooseSettings:
    """What a candidate is looked at with."""

    sample: int = Field(default=500, ge=20)
    """Labelled reviews, customers, judged queries, questions or reviews at most, drawn at random."""
    max_texts: int = Field(default=2000, ge=50)
    """Items that a candidate reads at most, for recommend and search."""
    by: str = ""
    """The figure that ranks; empty: the first of the task. The others are shown beside it."""
    seed: int = 0


@dataclass(frozen=True)
class Probe:
    """A task on one shop, ready to look at models that are not trained."""

    task: str
    unit: str
    """What `n` counts."""
    n: int
    texts: tuple[str, ...]
    """Of the shop, for tokenizer and speed."""
    figures: tuple[str, ...]
    """Names; the first ranks unless another is asked for. Greater is better in each."""
    look: Callable[[Any], Mapping[str, float]]
    """A model to its figures."""
    beside: str
    """What needs no model."""
    control: Mapping[str, float]
    """Its figures."""
    kind: Literal["encoder", "generator"] = "encoder"
    notes: tuple[str, ...] = ()
    """What a reader must know of the figures."""


@dataclass(frozen=True)
class Candidate:
    """What is known of a model before training it on the shop."""

    model: str
    figures: Mapping[str, float]
    pieces_a_word: float | None
    """Tokens a word, or a Chinese character; None where the tokenizer is out of reach."""
    unknown: float | None
    """Share of tokens that the tokenizer does not know."""
    texts_per_s: float
    """Reading the shop's texts on this machine, once."""
    n_parameters: int | None
    licence: str


@dataclass(frozen=True)
class Choice:
    """The candidates, best first."""

    task: str
    candidates: tuple[Candidate, ...]
    by: str
    n: int
    unit: str
    beside: str
    """What needs no model."""
    control: Mapping[str, float]
    """Its figures: what a model must be ahead of to be worth its cost."""
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON-able values."""
        return asdict(self)

    def __str__(self) -> str:
        """A plain text table, and what to take in words."""
        first = self.candidates[0]
        names = "".join(f"{name:>{_width(name)}}" for name in first.figures)
        head = f"{'model':<24}{names}{'pieces':>8}{'unknown':>9}{'texts/s':>9}{'weights':>13}  licence"
        control = f"{self.beside[:23]:<24}{_figures(first.figures, self.control)}"
        said = f"take '{first.model}': best {self.by} over {self.n:,} {self.unit}"
        lines = [head, *map(_line, self.candidates), control, "", said + self._warning(first)]
        return "\n".join([*lines, *self.notes])

    def _warning(self, one: Candidate) -> str:
        needless = self.control.get(self.by, float("-inf")) >= one.figures[self.by]
        said = f"; but '{self.beside}' is as good, without a model" if needless else ""
        if one.unknown is not None and one.unknown > 0.05:
            said += f"; but its tokenizer does not know {one.unknown:.0%} of the tokens"
        return said


def _width(name: str) -> int:
    return max(9, len(name) + 2)


def _line(one: Candidate) -> str:
    figures = _figures(one.figures, one.figures)
    pieces = "–" if one.pieces_a_word is None else f"{one.pieces_a_word:.2f}"
    unknown = "–" if one.unknown is None else f"{one.unknown:.1%}"
    weights = "–" if one.n_parameters is None else f"{one.n_parameters:,}"
    told = f"{pieces:>8}{unknown:>9}{one.texts_per_s:>9.0f}{weights:>13}"
    return f"{one.model[-23:]:<24}{figures}{told}  {one.licence}"


def _figures(names: Mapping[str, float], values: Mapping[str, float]) -> str:
    """The values under the names; a dash where there is none."""
    cells = (f"{values[name]:.4f}" if name in values else "–" for name in names)
    return "".join(f"{cell:>{_width(name)}}" for name, cell in zip(names, cells, strict=True))
