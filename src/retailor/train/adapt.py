"""Adapts a pretrained model to a shop's own texts, before any task: which objective, and what is measured."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

from retailor import seeds
from retailor.errors import ConfigError, DataError, ModelError
from retailor.models.shapes import TrainableEncoder, TrainableGenerator
from retailor.train.devices import check_devices
from retailor.train.lora import check_lora
from retailor.train.objectives.causal_span import adapt_generator
from retailor.train.objectives.contrastive import adapt_contrastive, check_contrastive
from retailor.train.objectives.growth import check_growth
from retailor.train.objectives.masked import adapt_masked
from retailor.train.objectives.settings import AdaptLog, AdaptSettings, Objective, Outcome, Texts, perplexity
from retailor.train.schedule import check_layers

__all__ = ["AdaptLog", "AdaptSettings", "adapt", "adapt_with_log", "general_texts"]

M = TypeVar("M")
LEAST_TEXTS = 10
MOST_HELD_OUT = 512


def adapt(
    model: M,
    texts: Sequence[str],
    settings: AdaptSettings | None = None,
    *,
    pairs: Sequence[tuple[str, str]] | None = None,
    general: Sequence[str] | None = None,
    work: Path | None = None,
) -> M:
    """A model of the same kind, adapted to `texts`; `model` itself is unchanged. See `adapt_with_log`."""
    return adapt_with_log(model, texts, settings, pairs=pairs, general=general, work=work)[0]


def adapt_with_log(
    model: M,
    texts: Sequence[str],
    settings: AdaptSettings | None = None,
    *,
    pairs: Sequence[tuple[str, str]] | None = None,
    general: Sequence[str] | None = None,
    work: Path | None = None,
) -> tuple[M, AdaptLog]:
    """The adapted model, and what the adaptation did.

    `pairs` are texts that belong together (an item's title and its description, a review and its item), for
    'contrastive' alone. `general` are texts of any other kind: some are mixed in, some measure what was
    forgotten. With a `work` folder a second call goes on where a killed one stopped. The weights that did
    best on held-out texts are kept, those that came included: a hopeless adaptation leaves the model as it
    was.

    Raises ConfigError when the settings do not fit the model or each other, ModelError when the model cannot
    be trained (a remote or compressed one), DataError when there are fewer than ten different texts: all
    before any work starts.
    """
    given = AdaptSettings() if settings is None else settings
    objective = _objective(model, given)
    _check(model, given, objective, pairs)
    started = time.perf_counter()
    read = general_texts(given, Path()) if general is None else general
    divided = _divided(texts, _unique(read or ()), given)
    outcome = _adapted(model, objective, divided, pairs, given, work)
    return outcome.model, _log(objective, divided, outcome, time.perf_counter() - started)


def _adapted(
    model: Any,
    objective: Objective,
    texts: Texts,
    pairs: Sequence[tuple[str, str]] | None,
    given: AdaptSettings,
    work: Path | None,
) -> Outcome:
    if objective in ("masked", "order"):
        return adapt_masked(cast(TrainableEncoder, model), texts, given, work, order=objective == "order")
    if objective == "contrastive":
        return adapt_contrastive(cast(TrainableEncoder, model), texts, pairs, given, work)
    return adapt_generator(model, texts, given, work, objective)


def _log(objective: str, texts: Texts, outcome: Outcome, seconds: float) -> AdaptLog:
    return AdaptLog(
        objective=objective,
        n_texts=len(texts.learned) - texts.n_general,
        n_held_out=len(texts.held_out),
        perplexity_before=perplexity(outcome.before),
        perplexity_after=perplexity(outcome.after),
        neighbours_kept=outcome.neighbours_kept,
        seconds=seconds,
        train=outcome.train,
        n_general=texts.n_general,
        general_before=None if outcome.general_before is None else perplexity(outcome.general_before),
        general_after=None if outcome.general_after is None else perplexity(outcome.general_after),
        n_new_pieces=outcome.n_new_pieces,
    )


# what fits ----------------------------------------------------------------------------------------


def _objective(model: Any, given: AdaptSettings) -> Objective:
    """The objective for this model, or the reason why it cannot be."""
    if isinstance(model, TrainableEncoder):
        can: tuple[Objective, ...] = ("masked", "order", "contrastive")
    elif isinstance(model, TrainableGenerator):
        both = getattr(model.network.config, "is_encoder_decoder", False)
        cuts = both and "<extra_id_1>" in model.tokenizer.get_vocab()  # T5's marks; BART has none
        can = ("span", "causal") if cuts else ("causal",)
    else:
        raise ModelError(
            f"{getattr(model, 'name', type(model).__name__)} has no network here that could be trained: "
            "adapt a local model, then compress or serve it.",
            asked="adapt",
        )
    wanted = can[0] if given.objective == "auto" else given.objective
    if wanted not in can:
        raise ConfigError(
            f"objective '{wanted}' does not fit {getattr(model, 'name', 'this model')}: it learns by "
            f"{' or '.join(can)}.",
            key="objective",
            value=wanted,
        )
    return wanted


def _check(
    model: Any, given: AdaptSettings, objective: Objective, pairs: Sequence[tuple[str, str]] | None
) -> None:
    if pairs is not None and objective != "contrastive":
        raise ConfigError(
            f"pairs are for the objective 'contrastive', not for '{objective}'.", key="objective"
        )
    if given.pairs != "none" and pairs is None:
        raise ConfigError(
            f"pairs = '{given.pairs}' is read off a shop by a plan; here, give `pairs=shop_pairs(shop, …)`.",
            key="pairs",
            value=given.pairs,
        )
    if objective == "contrastive":
        check_contrastive(model, pairs)
    check_devices(given.train, next(model.network.parameters()).device)
    check_layers(model.network, given.train.freeze_layers)
    if given.lora_rank:
        check_lora(model, given.lora_bits)
    if given.grow_terms:
        check_growth(model, given, objective)
    if given.packed and objective != "causal":
        raise ConfigError(
            f"'packed' joins texts for the objective 'causal'; '{objective}' learns from one text at a time.",
            key="packed",
        )


# which texts --------------------------------------------------------------------------------------


def general_texts(settings: AdaptSettings, folder: Path) -> list[str] | None:
    """The lines of `general_file`, whose name is relative to `folder`; None when there is none.

    Raises DataError when the file cannot be read.
    """
    if settings.general_file is None:
        return None
    path = folder / settings.general_file
    try:
        return _unique(path.read_text(encoding="utf-8").splitlines())
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"this file of general text cannot be read: {error}.", path=path) from None


def _unique(texts: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(text for text in texts if text and text.strip()))


def _divided(texts: Sequence[str], general: list[str], given: AdaptSettings) -> Texts:
    """Different texts that are not empty: those to learn from, and those to measure on."""
    unique = _unique(texts)
    if len(unique) < LEAST_TEXTS:
        raise DataError(
            f"there are {len(unique)} different texts, and adapting needs {LEAST_TEXTS} at the least."
        )
    order = seeds.stream(given.seed, "adapt", "texts").permutation(len(unique))[: given.max_texts]
    n_out = _n_held_out(len(order), given)
    learned = [unique[i] for i in sorted(order[n_out:])]
    mixed, held = _mixed(general, len(learned), given)
    return Texts([*learned, *mixed], [unique[i] for i in sorted(order[:n_out])], held, len(mixed))


def _n_held_out(n: int, given: AdaptSettings) -> int:
    return min(MOST_HELD_OUT, max(1, round(n * given.held_out)))


def _mixed(general: list[str], n_learned: int, given: AdaptSettings) -> tuple[list[str], list[str]]:
    """General texts to mix in, `general_share` of all that is learned from, and those to measure on."""
    if not general:
        return [], []
    order = seeds.stream(given.seed, "adapt", "general").permutation(len(general))
    n_out = min(MOST_HELD_OUT, max(1, len(order) // 5))
    n_in = round(n_learned * given.general_share / (1 - given.general_share))
    return [general[i] for i in order[n_out : n_out + n_in]], [general[i] for i in order[:n_out]]
