"""The dials of the recommender."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from retailor.config import Field, settings
from retailor.train.settings import DeviceSettings

BEHAVIOURS = {"view": 0.3, "cart": 0.6, "favourite": 0.6, "buy": 1.0, "rate": 1.0}
MOVED = {
    "taste": "two_tower.enabled",
    "taste_hidden": "two_tower.hidden",
    "taste_epochs": "two_tower.epochs",
    "taste_batch": "two_tower.batch_size",
    "taste_rate": "two_tower.learning_rate",
    "taste_dropout": "two_tower.dropout",
    "sequence": "sasrec.enabled",
    "sequence_hidden": "sasrec.hidden",
    "sequence_layers": "sasrec.layers",
    "sequence_length": "sasrec.length",
    "sequence_epochs": "sasrec.epochs",
    "sequence_batch": "sasrec.batch_size",
    "sequence_rate": "sasrec.learning_rate",
    "sequence_dropout": "sasrec.dropout",
    "sequence_item_dropout": "sasrec.item_dropout",
    "sequence_density": "sasrec.min_density",
    "max_sequence": "sasrec.max_items",
    "tuning_batch": "tuning.batch_size",
    "tuning_rate": "tuning.learning_rate",
    "tuning_words": "tuning.max_words",
    "word_kernel": "tfidf_kernel",
    "meaning_kernel": "embedding_kernel",
    "max_written": "max_reviews",
}
"""Names of before, so that the error about one names the setting of today."""


@settings
class TwoTowerSettings:
    """The two towers f(u, i) = h_uᵀ W h_i over the encoder's vectors."""

    enabled: bool = True
    """Whether to learn them."""
    hidden: int = Field(default=1024, ge=1)
    """Width of a tower's hidden layer."""
    epochs: float = Field(default=4.0, gt=0)
    batch_size: int = Field(default=1024, ge=2)
    learning_rate: float = Field(default=1e-3, gt=0)
    dropout: float = Field(default=0.2, ge=0, lt=1)


@settings
class SasrecSettings:
    """SASRec, the transformer over the customer's items in order."""

    enabled: bool = True
    """Whether to learn it."""
    hidden: int = Field(default=128, ge=2)
    """Numbers an item and a state."""
    layers: int = Field(default=2, ge=1)
    length: int = Field(default=50, ge=1)
    """Latest items that it reads."""
    epochs: float = Field(default=20.0, gt=0)
    batch_size: int = Field(default=256, ge=2)
    learning_rate: float = Field(default=1e-3, gt=0)
    dropout: float = Field(default=0.3, ge=0, lt=1)
    item_dropout: float = Field(default=0.2, ge=0, lt=1)
    """How often an item is known by its text alone while learning."""
    min_density: float = Field(default=3.0, ge=0)
    """Events an item, on average, below which there is no transformer: it would learn nothing."""
    max_items: int = Field(default=100_000, ge=0)
    """Catalogues larger than this go without the transformer."""


@settings
class TuningSettings:
    """Fine-tuning the encoder on what customers choose after what."""

    steps: int = Field(default=0, ge=0)
    """Steps of it; 0 leaves the encoder as it is."""
    batch_size: int = Field(default=96, ge=2)
    """Choices a step: each is a wrong answer to all others."""
    group: int = Field(default=4, ge=1)
    """Choices of similar items that share a batch, so that some wrong answers are hard; 1 mixes all."""
    history: int = Field(default=1, ge=1)
    """Latest items that the next one is learned from, the older ones weighing less."""
    learning_rate: float = Field(default=5e-5, gt=0, lt=1)
    temperature: float = Field(default=0.05, gt=0)
    seed: int = 0
    """Apart from the recommender's, so that fits of several seeds can share the encoder."""
    max_words: int = Field(default=20, ge=4)
    """Words of an item's text that are read while learning."""


@settings
class RecommendSettings:
    """Defaults were chosen on validation customers of one shop; the blend is learned on each shop anew."""

    MOVED: ClassVar[Mapping[str, str]] = MOVED

    behaviours: Mapping[str, float] = Field(default_factory=lambda: dict(BEHAVIOURS))
    """What an event of each kind weighs; a kind that is not named weighs nothing."""
    min_rating: float | None = Field(default=None, ge=1, le=5)
    """Ratings below it are no sign of taste; None counts them all, since who rates has bought."""
    max_history: int = Field(default=200, ge=2)
    """Latest events of a customer that are read."""

    text: Literal["auto", "words", "encoder"] = "auto"
    """What reads the items' texts: words (TF-IDF) alone, or an encoder beside them. auto: what pays on
    customers that are held out, no text being a choice too; without an encoder there is none to be made."""

    regularisation: float = Field(default=200.0, gt=0)
    """Ridge of EASE: its unit is customers who share an item."""
    tfidf_kernel: float = Field(default=20.0, ge=0)
    """Weight of the TF-IDF kernel inside EASE; 0 leaves the part out."""
    embedding_kernel: float = Field(default=50.0, ge=0)
    """Weight of the kernel of the encoder's vectors inside EASE; 0 leaves the part out."""
    picture_kernel: float = Field(default=50.0, ge=0)
    """Weight of the kernel of the items' pictures inside EASE; 0 leaves the part out."""
    decay: float = Field(default=1.0, ge=0)
    """An event that is n events old weighs n ** −decay."""
    max_closed_form: int = Field(default=30_000, ge=1)
    """Catalogues larger than this get factors by alternating least squares in place of EASE."""
    max_tuned: int = Field(default=4_000, ge=0)
    """Up to so many items, the strength of the ridge is chosen on held-out customers too."""
    n_links: int = Field(default=600, ge=1)
    """Links kept an item in each item-to-item part."""
    max_links: int = Field(default=100_000_000, ge=1)
    """Links kept in each item-to-item part at most: a larger catalogue has fewer an item."""
    max_pairs: int = Field(default=2_000_000_000, ge=1)
    """Beyond so many pairs of events only the latest of each customer are counted for neighbours."""
    max_compared: int = Field(default=50_000, ge=0)
    """Customers, at most, whose baskets are compared where repeats count (TIFU-kNN, UP-CF)."""
    factors: int = Field(default=128, ge=1)
    """Numbers an item of the factors by alternating least squares."""

    retrieval: Literal["auto", "exact", "approximate"] = "auto"
    """Whether a question scores every item or some candidates; auto: candidates beyond `max_exact` items."""
    max_exact: int = Field(default=100_000, ge=1)
    """Largest catalogue of which every item is scored for every question, unless `retrieval` says."""
    n_candidates: int = Field(default=400, ge=1)
    """Candidates taken from each part of the blend."""

    two_tower: TwoTowerSettings = Field(default_factory=TwoTowerSettings)
    sasrec: SasrecSettings = Field(default_factory=SasrecSettings)
    max_softmax: int = Field(default=3_000, ge=2)
    """Beyond so many items the softmax of either network is over a sample: the targets of the batch and so
    many others."""
    max_network_steps: int = Field(default=5_000, ge=1)
    """Neither network is trained for longer, however many customers there are."""
    train: DeviceSettings = Field(default_factory=DeviceSettings)
    """What the networks are trained on."""

    tuning: TuningSettings = Field(default_factory=TuningSettings)

    max_reviews: int = Field(default=20_000, ge=0)
    """Reviews, the latest, whose words say what a customer likes; 0 leaves them unread."""

    repeats: bool = False
    """Whether what a customer chose before counts as an answer: then nothing is masked in validation and
    tests, and parts score what the customer chose often and lately. Ask with `exclude_seen=False`."""
    protocol: Literal["next-item", "next-basket"] = "next-item"
    """What `evaluate` asks for: each event alone, or all items of the customer's next order at once."""

    n_validation: int = Field(default=5_000, ge=0)
    """Customers, at most, whose last event is held out to learn the blend; the final fit has it again."""
    validation_seed: int = 0
    """The draw of those customers; apart from `seed`, so that fits of several seeds can be compared."""
    least_gain: float = Field(default=0.002, ge=0)
    """A part is dropped when the validation NDCG without it is at most this share lower."""
    text_weight: float = Field(default=1.0, ge=0)
    """What the words of a query weigh beside the customer's history."""
    n_test: int = Field(default=30_000, ge=1)
    """Customers that `evaluate` scores at most, drawn by the seed; candidates are never sampled."""
    max_k: int = Field(default=1_000, ge=1)
    seed: int = 0

    def by_candidates(self, n_items: int) -> bool:
        """Whether a catalogue of so many items is answered from candidates."""
        return self.retrieval == "approximate" or (self.retrieval == "auto" and n_items > self.max_exact)

    def links(self, n_items: int) -> int:
        """Links kept an item of a catalogue of so many items."""
        return max(1, min(self.n_links, self.max_links // max(n_items, 1)))
