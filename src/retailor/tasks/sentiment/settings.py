"""The dials of a sentiment reader."""

from __future__ import annotations

from operator import attrgetter
from typing import Literal

from retailor.config import Field, settings
from retailor.errors import ConfigError
from retailor.text.augmentation.edits import AugmentSettings
from retailor.train.settings import TrainSettings


@settings
class SentimentSettings:
    """How a SentimentReader is fitted."""

    mode: Literal[
        "auto",
        "fine-tuned",
        "blended",
        "panel",
        "pseudo-labels",
        "contrastive",
        "prompt",
        "frozen",
        "tf-idf",
        "nb-svm",
    ] = "auto"
    """What answers; 'auto' takes the best on held-out texts, of fewer candidates when labels are few.

    'blended' answers by the fine-tuned network and the better of the two readers of words together.
    """
    max_tokens: int = Field(default=128, ge=8, le=8192)
    """Longer texts lose their middles."""
    validation: float = Field(default=0.1, gt=0, lt=0.9)
    """The share of labelled texts kept from training, for early stopping, calibration and choices."""
    few_labels: int = Field(default=200, ge=0)
    """Below so many labelled texts no share is held out, folds are, and 'auto' tries what few labels need."""
    select_by: Literal["log_loss", "macro_f1", "accuracy"] = "log_loss"
    """What chooses between readers on held-out texts; the log loss is that after calibration."""
    stop_by: Literal["auto", "macro_f1", "accuracy", "log_loss", "last"] = "auto"
    """What chooses between the weights of a training; with 'last' nothing does, and nothing stops it early.

    'auto' is macro-F1 or what `select_by` says of the two, and 'last' where fewer than 200 texts are held
    out: so few are often read right as often by the weights of the start as by much better ones, and the
    start would stay.
    """
    class_weights: Literal["none", "sqrt", "balanced"] = "sqrt"
    """How much rare labels count: with 'balanced' all labels weigh the same in the loss."""
    start_head: Literal["probe", "random"] = "probe"
    """Where the head of the fine-tuned network starts."""
    start_encoder: Literal["given", "pseudo-labels"] = "given"
    """Where the rest of it starts: the encoder as given, or first tuned on pseudo-labels of reviews that have
    neither label nor stars (the `pseudo_…` dials)."""
    dropout: float = Field(default=0.1, ge=0, lt=1)
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    train: TrainSettings = Field(
        default_factory=lambda: TrainSettings(epochs=2.0, layer_decay=0.9, validate_every=100, patience=3)
    )
    """The training of the fine-tuned network, head and all; those on pseudo-labels and by contrast differ in
    epochs and rate. The learning rate, when not given: 5e-5, and 2e-4 with adapters (`lora_rank`)."""
    lora_rank: int = Field(default=0, ge=0, le=1024)
    """Train low-rank adapters of this rank and the head instead of all weights; 0 trains all.

    They are added into the weights afterwards, so the encoder that comes out is as plain as any.
    """
    lora_bits: Literal[32, 4] = 32
    """Bits of the weights under the adapters while these train: 4 (QLoRA) needs a GPU and the extra
    `quantised`, and takes an eighth of the memory of the linear layers."""
    strengths: tuple[float, ...] = (1.0, 10.0, 100.0)
    """The probe's inverse regularisations to choose from."""
    word_strengths: tuple[float, ...] = (0.1, 0.3, 1.0)
    """The same for the readers of words, 'tf-idf' and 'nb-svm'."""
    min_count: int = Field(default=2, ge=1)
    """The readers of words leave out terms of fewer texts, unless labels are few."""
    max_terms: int = Field(default=200_000, ge=10)
    augment: AugmentSettings = AugmentSettings()
    """Copies of the labelled texts for the fine-tuned network; held-out texts get none."""
    adversarial: Literal["none", "fgm", "pgd", "freelb", "r-drop"] = "none"
    """Disturbs word embeddings while fine-tuning, or (r-drop) makes two dropouts agree."""
    epsilon: float = Field(default=0.01, gt=0, le=1)
    """Longest disturbance of a text, as a share of the length of its word embeddings."""
    mixup: float = Field(default=0.0, ge=0, le=10)
    """Shape of the Beta distribution by which the vectors of two texts are mixed; 0 mixes nothing."""
    domain_weight: float = Field(default=0.0, ge=0, le=10)
    """How hard the fine-tuned network is pressed to give reviews without label and stars, of another kind of
    goods maybe, the same features as those with one (domain-adversarial training); 0 does not."""
    keep_frozen: bool = True
    """Whether a fine-tuned reader is saved with the frozen encoder too, for its row in `evaluate`."""
    seed: int = 0
    candidates: tuple[Literal["frozen", "panel", "pseudo-labels", "contrastive", "prompt"], ...] = (
        "frozen",
        "panel",
    )
    """What 'auto' tries when labels are few, cheapest first; 'tf-idf' and 'nb-svm' are always shown.

    A reader that is given a language model tries 'prompt' too.
    """
    pseudo_texts: int = Field(default=6000, ge=1)
    """Unlabelled reviews that get a pseudo-label, at most; opinion words are counted in all of them."""
    pseudo_per_class: int = Field(default=1500, ge=1)
    """Pseudo-labels of each class to train on, at most: the surest."""
    pseudo_floor: float = Field(default=0.6, ge=0, le=1)
    pseudo_epochs: float = Field(default=1.0, gt=0)
    pseudo_rate: float = Field(default=1e-4, gt=0, lt=1)
    """Learning rate of the training on pseudo-labels and of the contrastive one."""
    teacher_weight: float = Field(default=2.0, ge=0)
    """How much a reader of another shop counts beside opinion words, when `fit` is given one."""
    praise: tuple[str, ...] = ()
    """Words of praise beside the English and Chinese ones that are known."""
    blame: tuple[str, ...] = ()
    prompt_model: Literal["generator", "encoder"] = "generator"
    """What prompts ask: the generator, or the encoder's own head for masked words, if its folder has one."""
    templates: tuple[str, ...] = ()
    """Prompts with {text} and {word} once each, instead of the English and Chinese ones that are known."""
    verbalisers: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Words that stand for negative, neutral and positive at {word}, instead of the known ones."""
    contrastive_steps: int = Field(default=60, ge=1)
    """Steps of the contrastive training on the labelled texts, of `train.batch_size` texts each."""

    def __post_init__(self) -> None:
        disturbs = self.adversarial in ("fgm", "pgd", "freelb")
        clashes = (
            ("train.unfreeze_every", "lora_rank", self.train.unfreeze_every and self.lora_rank,
             "with adapters the layers themselves never open"),
            ("adversarial", "lora_rank", disturbs and self.lora_rank,
             "the word embeddings that it disturbs are frozen; train all weights, or take 'r-drop'"),
            ("adversarial", "train.freeze_layers", disturbs and self.train.freeze_layers,
             "the word embeddings that it disturbs are frozen; train all layers, or take 'r-drop'"),
            ("adversarial", "mixup", self.adversarial == "r-drop" and self.mixup,
             "its two passes would mix different texts"),
            ("lora_bits", "lora_rank", self.lora_bits == 4 and not self.lora_rank,
             "four bits are for weights that stay as they are; set lora_rank, 8 for example"),
            ("domain_weight", "mixup", self.domain_weight and self.mixup,
             "mixup needs texts with a label, and domain_weight adds some without; use one of the two"),
        )  # fmt: skip
        for key, other, clash, why in clashes:
            if clash:
                first, second = (f"{name} = {attrgetter(name)(self)!r}" for name in (key, other))
                raise ConfigError(
                    f"{first} does not go with {second}: {why}.", key=key, value=attrgetter(key)(self)
                )

    @property
    def prompts(self) -> bool:
        """Whether prompts are asked for by name, as the mode or among the candidates of 'auto'."""
        return self.mode == "prompt" or (self.mode == "auto" and "prompt" in self.candidates)
