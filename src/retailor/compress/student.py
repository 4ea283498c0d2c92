"""Students: smaller encoders that are taught the vectors of a large one on the shop's own texts."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from retailor.compress.settings import StudentSettings
from retailor.errors import DataError, ModelError
from retailor.models.encoder import LocalEncoder
from retailor.models.encoding import exact_vectors
from retailor.models.shapes import Encoder, Role
from retailor.models.static import Pairs, StaticEncoder
from retailor.seeds import stream
from retailor.train.loop import TrainLog, train
from retailor.train.losses.shared import gathered
from retailor.train.settings import TrainSettings

_LISTS = re.compile(r"(?:^|\.)(?:layer|layers|h|block|blocks)$")
_COUNTS = ("num_hidden_layers", "n_layers", "num_layers", "n_layer")
Example = tuple[str, NDArray[np.float32]]


@dataclass(frozen=True)
class Lessons:
    """Texts of a shop, and the vectors [n, dim] that a teacher makes of them.

    Where the teacher puts different prompts before queries and passages, half of the texts are read as
    queries: a smaller encoder will mostly read these.
    """

    texts: tuple[str, ...]
    prompted: tuple[str, ...]
    """The same with the prompt of the role that each is read in."""
    vectors: NDArray[np.float32]

    @classmethod
    def of(cls, teacher: Encoder, texts: Sequence[str], chosen: StudentSettings) -> Lessons:
        """At most `max_texts` of the texts, each once."""
        said = _drawn(texts, chosen.max_texts, chosen.seed)
        asked: tuple[Role, ...] = ("passage", "query")
        prompts = teacher.prompts if isinstance(teacher, LocalEncoder) else {"query": "", "passage": ""}
        roles = asked if prompts["query"] != prompts["passage"] else asked[:1]
        prompted, vectors = list(said), np.zeros((len(said), teacher.dim), np.float32)
        for first, role in enumerate(roles):
            rows = list(range(first, len(said), len(roles)))
            vectors[rows] = exact_vectors(teacher, [said[row] for row in rows], role=role)
            for row in rows:
                prompted[row] = prompts[role] + said[row]
        return cls(tuple(said), tuple(prompted), vectors)


def n_layers(encoder: LocalEncoder) -> int:
    """Layers of the network, 0 where they are not in one list."""
    found = _layers(encoder.network)
    return 0 if found is None else len(found[1])


def with_layers(encoder: LocalEncoder, n: int) -> LocalEncoder:
    """A copy with `n` of its layers, evenly spaced from the first to the last (DistilBERT's start).

    Raises ModelError where the layers are not in one list, or fewer.
    """
    made = encoder.copy()
    found = _layers(made.network)
    if found is None or not 1 <= n <= len(found[1]):
        raise ModelError(f"'{encoder.name}' has no {n} layers to keep.", asked=str(n))
    name, layers = found
    # a single layer is the first: it reads embeddings
    chosen = sorted(set(np.linspace(0, len(layers) - 1, n).round().astype(int).tolist())) if n > 1 else [0]
    parent: Any = made.network.get_submodule(name.rpartition(".")[0])
    setattr(parent, name.rpartition(".")[2], torch.nn.ModuleList(layers[i] for i in chosen))
    config: Any = made.network.config
    for count in _COUNTS:
        if hasattr(config, count):
            setattr(config, count, len(chosen))
    made.name = f"{encoder.name}, {len(chosen)} layers"
    return made


def _layers(network: torch.nn.Module) -> tuple[str, torch.nn.ModuleList] | None:
    """Name and list of the one stack of layers."""
    config: Any = network.config
    count = next((getattr(config, name) for name in _COUNTS if hasattr(config, name)), None)
    found = [
        (name, part)
        for name, part in network.named_modules()
        if isinstance(part, torch.nn.ModuleList) and _LISTS.search(name) and len(part) == count
    ]
    return found[0] if len(found) == 1 else None


def taught(
    student: LocalEncoder, lessons: Lessons, chosen: StudentSettings, work: Path | None = None
) -> TrainLog:
    """Trains `student` in place so that its unit vectors of the lessons' texts are those of the teacher."""
    examples: list[Example] = list(zip(lessons.prompted, lessons.vectors, strict=True))
    bare = student.with_network(student.network)
    bare.prompts = {"query": "", "passage": ""}  # the texts have theirs
    settings = TrainSettings(
        epochs=1e6, max_steps=chosen.layers_steps, batch_size=chosen.batch_size,
        learning_rate=chosen.layers_rate, seed=chosen.seed,
    )  # fmt: skip

    def collate(rows: Sequence[Example]) -> Mapping[str, torch.Tensor]:
        batch = bare.tokens([text for text, _ in rows])
        return {**batch, "teacher": torch.from_numpy(np.stack([vector for _, vector in rows]))}

    def loss(network: torch.nn.Module, batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
        read = {name: value for name, value in batch.items() if name != "teacher"}
        return _apart(student.vectors(read), batch["teacher"])

    return train(
        student.network, examples, collate, loss, settings,
        lengths=bare.n_tokens(lessons.prompted), work=work, label="student",
    )  # fmt: skip


def distilled(
    teacher: Encoder,
    student: LocalEncoder,
    texts: Sequence[str],
    chosen: StudentSettings,
    work: Path | None = None,
) -> LocalEncoder:
    """A copy of `student` that has learned where any encoder, a frozen one too, sees the texts.

    It goes on to be adapted, fitted and compressed as every local encoder, and may be of another width than
    its teacher. Raises DataError with fewer than two different texts.
    """
    lessons = Lessons.of(teacher, texts, chosen)
    if len(lessons.texts) < 2:
        raise DataError(f"a student learns from different texts, and here are {len(lessons.texts)}.")
    made = student.copy()
    start = exact_vectors(made, lessons.texts)
    prompted = tuple(made.prompts["passage"] + text for text in lessons.texts)
    taught(made, Lessons(lessons.texts, prompted, turned(lessons.vectors, start)), chosen, work)
    made.name = f"{student.name}, taught by {teacher.name}"
    return made


def turned(teacher: NDArray[np.float32], start: NDArray[np.float32]) -> NDArray[np.float32]:
    """The teacher's unit rows [n, d] as unit rows [n, k], turned to where the student starts [n, k].

    Cosines between texts stay what they are where d ≤ k; else the k directions are kept that have most of
    them (Eckart and Young, 1936). The turn is the orthogonal one of Schönemann (Psychometrika 31, 1966): a
    student need not learn which way its teacher faces.
    """
    wide = teacher.astype(np.float64)
    if wide.shape[1] > start.shape[1]:
        directions = np.linalg.eigh(wide.T @ wide)[1][:, ::-1]
        wide = wide @ directions[:, : start.shape[1]]
    left, _, right = np.linalg.svd(wide.T @ start, full_matrices=False)
    made = wide @ (left @ right)
    unit = made / np.maximum(np.linalg.norm(made, axis=1, keepdims=True), 1e-12)
    return np.asarray(unit, dtype=np.float32)


def word_table(
    encoder: LocalEncoder,
    lessons: Lessons,
    chosen: StudentSettings,
    work: Path | None = None,
    *,
    n_pairs: int = 0,
) -> StaticEncoder:
    """A table of word vectors whose mean over a text is near the teacher's vector of it.

    A row starts as what `encoder` makes of that piece alone, times a/(a + p) of its share p among the pieces
    of the lessons (a = .001, Arora et al., ICLR 2017), and is then learned; weight decay pulls towards
    that start. The encoder opens in model2vec too. With `n_pairs` so many pairs of pieces that most texts
    have get vectors of their own, which start at nothing: word order then makes a difference.
    """
    start = StaticEncoder.of_pieces(encoder, lessons.texts)
    ids = start.token_ids(lessons.texts)
    some = [i for i, row in enumerate(ids) if row]
    pairs = Pairs.common(ids, n_pairs, start.dim) if n_pairs else None
    table = _Table(torch.from_numpy(start.table.astype(np.float32)), 0 if pairs is None else len(pairs.keys))
    settings = TrainSettings(
        epochs=chosen.table_epochs, batch_size=4 * chosen.batch_size, learning_rate=chosen.table_rate,
        weight_decay=0.1, seed=chosen.seed, precision="32",
    )  # fmt: skip

    def collate(rows: Sequence[int]) -> Mapping[str, torch.Tensor]:
        batch = {"teacher": torch.from_numpy(lessons.vectors[list(rows)])}
        batch["ids"], batch["starts"] = _bags([ids[i] for i in rows])
        if pairs is not None:
            batch["pairs"], batch["pair_starts"] = _bags([pairs.rows(ids[i]) for i in rows])
        return batch

    def loss(network: torch.nn.Module, batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
        return _apart(network(**{name: batch[name] for name in batch if name != "teacher"}), batch["teacher"])

    if some:
        train(table, some, collate, loss, settings, by_rows=False, work=work, label="word-table")
    made = pairs and Pairs(pairs.keys, table.pairs.detach().numpy())
    return start.with_table(table.rows().detach().numpy(), made)


def _bags(ids: Sequence[Any]) -> tuple[torch.Tensor, torch.Tensor]:
    """All ids one behind the other, and where each list begins."""
    starts = np.cumsum([0, *map(len, ids[:-1])])
    flat = [int(one) for row in ids for one in row]
    return torch.tensor(flat, dtype=torch.long), torch.from_numpy(starts.astype(np.int64))


class _Table(torch.nn.Module):
    """A table as its start and what is learned beside it, which decays to nothing; and vectors of pairs."""

    def __init__(self, start: torch.Tensor, n_pairs: int) -> None:
        super().__init__()
        self.register_buffer("start", start)
        self.learned = torch.nn.Parameter(torch.zeros_like(start))
        self.pairs = torch.nn.Parameter(torch.zeros(n_pairs, start.shape[1]), requires_grad=n_pairs > 0)

    def rows(self) -> torch.Tensor:
        return self.start + self.learned  # type: ignore[operator]

    def forward(
        self,
        ids: torch.Tensor,
        starts: torch.Tensor,
        pairs: torch.Tensor | None = None,
        pair_starts: torch.Tensor | None = None,
    ) -> torch.Tensor:
        made = torch.nn.functional.embedding_bag(ids, self.rows(), starts, mode="sum")
        if pairs is not None and len(self.pairs):
            made = made + torch.nn.functional.embedding_bag(pairs, self.pairs, pair_starts, mode="sum")
        return made  # lengths do not count: vectors are made unit vectors


def _apart(made: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
    """One minus the cosine, and how far the likeness of each two texts of a batch is from the teacher's."""
    unit = torch.nn.functional.normalize(gathered(made.float()), dim=-1)
    teacher = gathered(teacher.to(unit.device))
    own, wanted = unit @ unit.T, teacher @ teacher.T
    return (1 - (unit * teacher).sum(dim=-1)).mean() + (own - wanted).square().mean() * len(own) / 4


def _drawn(texts: Sequence[str], most: int, seed: int) -> list[str]:
    """At most so many different texts that say something."""
    full = list(dict.fromkeys(text for text in texts if text.strip()))
    if len(full) <= most:
        return full
    return [full[i] for i in sorted(stream(seed, "compress", "student").permutation(len(full))[:most])]
