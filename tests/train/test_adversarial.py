"""Adversarial losses against slow references and finite differences."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from retailor.errors import ConfigError
from retailor.testing.models import tiny_decoder, tiny_encoder
from retailor.train.loop import TrainSettings, train
from retailor.train.losses.adversarial import (
    AdversarialSettings,
    adversarial,
    check_adversarial,
    word_embedding,
)
from retailor.train.losses.domain_adversarial import Contested, DomainSettings, domain_adversarial, reverse
from retailor.train.losses.mixup import MixupSettings, mixup

Batch = Mapping[str, Tensor]
METHODS = ("fgm", "pgd", "freelb")


class Bag(nn.Module):
    """Mean of word vectors, a bend, a head: small enough for finite differences in float64."""

    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        self.words = nn.Embedding(7, 3)
        self.dropout = nn.Dropout(dropout)
        self.vector = nn.Identity()
        self.head = nn.Linear(3, 2)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        hidden = self.dropout(self.words(ids)) * mask[..., None]
        return self.head(self.vector(torch.tanh(hidden.sum(1))))  # type: ignore[no-any-return]


def loss(network: nn.Module, batch: Batch) -> Tensor:
    return nn.functional.cross_entropy(network(batch["ids"], batch["mask"]), batch["labels"])


@pytest.fixture
def bag() -> Bag:
    torch.manual_seed(0)
    return Bag().double()


BATCH = {
    "ids": torch.tensor([[1, 2, 3], [4, 5, 0]]),
    "mask": torch.tensor([[1.0, 1, 1], [1, 1, 0]], dtype=torch.float64),
    "labels": torch.tensor([0, 1]),
}


def slope_by_differences(value: Callable[[Tensor], float], at: Tensor, h: float = 1e-6) -> Tensor:
    slope = torch.zeros_like(at)
    for i in range(at.numel()):
        step = torch.zeros_like(at).flatten()
        step[i] = h
        step = step.view_as(at)
        slope.view(-1)[i] = (value(at + step) - value(at - step)) / (2 * h)
    return slope


def disturbed(network: Bag, batch: Batch, more: Tensor) -> float:
    hidden = (network.words(batch["ids"]) + more) * batch["mask"][..., None]
    logits = network.head(torch.tanh(hidden.sum(1)))
    return nn.functional.cross_entropy(logits, batch["labels"]).item()


def normed(rows: Tensor) -> Tensor:
    return rows / rows.flatten(1).norm(dim=1).view(-1, 1, 1)


def test_fgm_is_one_step_along_the_finite_differences(bag: Bag) -> None:
    settings = AdversarialSettings(method="fgm", epsilon=0.1, weight=0.5)
    with torch.no_grad():
        zero = torch.zeros(2, 3, 3, dtype=torch.float64)
        slope = slope_by_differences(lambda more: disturbed(bag, BATCH, more), zero)
        words = bag.words(BATCH["ids"]) * BATCH["mask"][..., None]  # padding lends no length
        step = 0.1 * words.flatten(1).norm(dim=1).view(-1, 1, 1) * normed(slope)
        expected = disturbed(bag, BATCH, zero) + 0.5 * disturbed(bag, BATCH, step)
    assert adversarial(loss, settings)(bag, BATCH).item() == pytest.approx(expected, abs=1e-7)


def test_pgd_is_projected_ascent(bag: Bag) -> None:
    settings = AdversarialSettings(method="pgd", epsilon=0.2, steps=4, step_size=0.7)
    with torch.no_grad():
        more = torch.zeros(2, 3, 3, dtype=torch.float64)
        words = bag.words(BATCH["ids"]) * BATCH["mask"][..., None]
        radius = 0.2 * words.flatten(1).norm(dim=1).view(-1, 1, 1)
        clean = disturbed(bag, BATCH, more)
        for _ in range(4):
            slope = slope_by_differences(lambda m: disturbed(bag, BATCH, m), more)
            more = more + 0.7 * radius * normed(slope)
            more = more * (radius / more.flatten(1).norm(dim=1).view(-1, 1, 1)).clamp(max=1)
        expected = clean + disturbed(bag, BATCH, more)
    assert adversarial(loss, settings)(bag, BATCH).item() == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize("method", METHODS)
def test_gradients_are_those_of_the_loss_at_fixed_disturbances(bag: Bag, method: Any) -> None:
    settings = AdversarialSettings(method=method, epsilon=0.3)
    came: list[Tensor] = []
    went: list[Tensor] = []
    # what was added is the difference of the embeddings that went on and those that came
    handle = bag.words.register_forward_hook(lambda m, i, o: came.append(o.detach().clone()))
    bag.dropout.register_forward_hook(lambda m, i, o: went.append(i[0].detach().clone()))
    torch.manual_seed(1)
    value = adversarial(loss, settings)(bag, BATCH)
    handle.remove()
    added = [b - a for a, b in zip(came, went, strict=True)]
    value.backward()  # type: ignore[no-untyped-call]
    weights = [1 / len(added)] * len(added) if method == "freelb" else [1, *[0] * (len(added) - 2), 1]

    def at(head: Tensor) -> float:
        moved = copy.deepcopy(bag)
        moved.head.weight.data = head
        return sum(w * disturbed(moved, BATCH, m) for w, m in zip(weights, added, strict=True))

    expected = slope_by_differences(at, bag.head.weight.detach())
    torch.testing.assert_close(bag.head.weight.grad, expected, atol=1e-7, rtol=1e-5)
    for more in added:
        longest = 0.3 * bag.words(BATCH["ids"]).flatten(1).norm(dim=1)
        assert (more.flatten(1).norm(dim=1) <= longest + 1e-6).all()


@pytest.mark.parametrize("method", METHODS)
def test_the_disturbed_loss_is_higher_and_the_same_again(bag: Bag, method: Any) -> None:
    hard = adversarial(loss, AdversarialSettings(method=method, epsilon=0.3, step_size=1.0))
    values = []
    for _ in range(2):
        torch.manual_seed(5)
        values.append(hard(bag, BATCH).item())
    assert values[0] == values[1]
    assert values[0] > loss(bag, BATCH).item() * (1 if method == "freelb" else 2)
    with torch.no_grad():
        assert hard(bag, BATCH).item() == loss(bag, BATCH).item()


def test_all_passes_drop_the_same_units() -> None:
    torch.manual_seed(0)
    bag = Bag(dropout=0.5)
    kept: list[Tensor] = []
    bag.dropout.register_forward_hook(lambda m, i, o: kept.append(o == 0))
    batch = {**BATCH, "mask": BATCH["mask"].float()}
    adversarial(loss, AdversarialSettings(method="pgd"))(bag.train(), batch)
    assert len(kept) == 4 and all(torch.equal(kept[0], other) for other in kept)


def test_r_drop_is_two_passes_and_their_divergence() -> None:
    torch.manual_seed(0)
    bag = Bag(dropout=0.5).double().train()
    given = AdversarialSettings(method="r-drop", weight=2.0)
    torch.manual_seed(3)
    value = adversarial(loss, given, logits=lambda network: network.head)(bag, BATCH)  # type: ignore[arg-type, return-value]
    torch.manual_seed(3)
    first, second = (bag(BATCH["ids"], BATCH["mask"]) for _ in range(2))
    p, q = first.softmax(-1), second.softmax(-1)
    apart = 0.0
    for row in range(2):
        apart += sum((p[row] * (p[row] / q[row]).log()).tolist()) / 4
        apart += sum((q[row] * (q[row] / p[row]).log()).tolist()) / 4
    both = [nn.functional.cross_entropy(logits, BATCH["labels"]).item() for logits in (first, second)]
    assert value.item() == pytest.approx(sum(both) / 2 + 2.0 * apart, rel=1e-5)

    def at(head: Tensor) -> float:
        moved = copy.deepcopy(bag)
        moved.head.weight.data = head
        torch.manual_seed(3)
        hard = adversarial(loss, given, logits=lambda network: network.head)  # type: ignore[arg-type, return-value]
        return hard(moved, BATCH).item()

    value.backward()  # type: ignore[no-untyped-call]
    expected = slope_by_differences(at, bag.head.weight.detach(), h=1e-4)
    torch.testing.assert_close(bag.head.weight.grad, expected, atol=1e-3, rtol=1e-3)


def encoder_loss(encoder: Any) -> Any:
    def of_vectors(network: nn.Module, batch: Batch) -> Tensor:
        return encoder.vectors(batch).pow(4).mean()  # type: ignore[no-any-return]

    return of_vectors


@pytest.mark.parametrize("method", METHODS)
def test_a_real_encoder_with_frozen_embeddings_is_attacked_all_the_same(method: Any) -> None:
    encoder = tiny_encoder()
    encoder.network.get_input_embeddings().weight.requires_grad_(False)
    texts = ["a red mug", "杯子 the lamp is bright enough"]
    plain = encoder_loss(encoder)
    hard = adversarial(plain, AdversarialSettings(method=method, epsilon=0.5))
    batch = encoder.tokens(texts)
    assert hard(encoder.network, batch).item() != pytest.approx(
        plain(encoder.network, batch).item(), rel=1e-4
    )
    log = train(
        encoder.network, texts, lambda some: encoder.tokens(some), hard,
        TrainSettings(batch_size=2, freeze_embeddings=True),
    )  # fmt: skip
    assert log.examples_seen == 2


def test_what_cannot_act_is_refused() -> None:
    encoder = tiny_encoder()
    with pytest.raises(ConfigError, match="which module gives the logits"):
        adversarial(loss, AdversarialSettings(method="r-drop"))
    with pytest.raises(ConfigError, match="drops nothing"):
        check_adversarial(tiny_decoder().network, AdversarialSettings(method="r-drop"))
    with pytest.raises(ConfigError, match="no word embeddings"):
        check_adversarial(nn.Linear(2, 2), AdversarialSettings(method="fgm"))
    with pytest.raises(ConfigError, match="where a module"):
        check_adversarial(encoder.network, AdversarialSettings(method="fgm"), embedding=lambda n: None)  # type: ignore[arg-type, return-value]
    check_adversarial(encoder.network, AdversarialSettings(method="fgm"))
    assert word_embedding(nn.Sequential(encoder.network)) is encoder.network.get_input_embeddings()

    def blind(network: nn.Module, batch: Batch) -> Tensor:
        with torch.no_grad():
            vectors = encoder.vectors(batch)
        return (vectors * nn.Parameter(torch.ones(encoder.dim))).sum()

    with pytest.raises(ConfigError, match="cannot act"):
        adversarial(blind, AdversarialSettings(method="fgm"))(encoder.network, encoder.tokens(["a mug"]))
    for bad in ({"method": "fgsm"}, {"epsilon": 0}, {"epsilon": 1.5}, {"steps": 0}, {"step_size": 0}):
        with pytest.raises(ConfigError, match=next(iter(bad))):
            AdversarialSettings(**bad)


# domains ------------------------------------------------------------------------------------------


def test_the_gradient_is_reversed() -> None:
    at = torch.tensor([[0.3, -1.2]], dtype=torch.float64)

    def value(x: Tensor) -> float:
        return torch.sin(x).prod().item()

    x = at.clone().requires_grad_()
    torch.sin(reverse(x, 0.7)).prod().backward()  # type: ignore[no-untyped-call]
    torch.testing.assert_close(x.grad, -0.7 * slope_by_differences(value, at), atol=1e-8, rtol=1e-6)


def test_the_features_go_against_the_critic_and_the_critic_against_the_domains() -> None:
    torch.manual_seed(0)
    inner = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 2)).double()
    given = DomainSettings(weight=0.4, ramp_steps=2, hidden=4)
    network = Contested(inner, 3, given).double()

    def task(module: nn.Module, batch: Batch) -> Tensor:
        return nn.functional.cross_entropy(module(batch["x"]), batch["labels"])

    joined = domain_adversarial(task, features=lambda n: n[1])  # type: ignore[index]
    batch = {
        "x": torch.tensor([[0.2, -1.0], [1.0, 0.3], [-0.5, 0.8]], dtype=torch.float64),
        "labels": torch.tensor([0, 1, -100]),
        "domain": torch.tensor([0, 0, 1]),
    }
    assert network.strength() == 0.0
    joined(network, batch)
    joined(network, batch)
    assert network.seen.item() == 2 and network.strength() == pytest.approx(0.4, rel=1e-3)
    joined(network, batch).backward()  # type: ignore[no-untyped-call]

    def parts(first: Tensor) -> tuple[float, float]:
        moved = copy.deepcopy(network)
        moved.network[0].weight.data = first
        features = torch.tanh(moved.network[0](batch["x"]))
        told = moved.critic(features)
        return task(moved.network, batch).item(), nn.functional.cross_entropy(told, batch["domain"]).item()

    first = inner[0].weight.detach()
    of_task, of_domain = (slope_by_differences(lambda w, i=i: parts(w)[i], first) for i in (0, 1))  # type: ignore[misc]
    expected = of_task - network.strength() * of_domain
    torch.testing.assert_close(inner[0].weight.grad, expected, atol=1e-5, rtol=1e-4)

    def critic(last: Tensor) -> float:
        moved = copy.deepcopy(network)
        moved.critic[2].weight.data = last
        return nn.functional.cross_entropy(
            moved.critic(torch.tanh(inner[0](batch["x"]))), batch["domain"]
        ).item()

    upward = slope_by_differences(critic, network.critic[2].weight.detach())
    torch.testing.assert_close(network.critic[2].weight.grad, upward, atol=1e-5, rtol=1e-4)


def test_a_batch_without_a_source_row_and_one_without_domains() -> None:
    network = Contested(nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2)), 2, DomainSettings())

    def task(module: nn.Module, batch: Batch) -> Tensor:
        return nn.functional.cross_entropy(module(batch["x"]), batch["labels"])

    joined = domain_adversarial(task, features=lambda n: n[0])  # type: ignore[index]
    batch = {"x": torch.ones(2, 2), "labels": torch.tensor([-100, -100])}
    assert torch.isfinite(joined(network, {**batch, "domain": torch.tensor([1, 1])}))
    with pytest.raises(ConfigError, match="no 'domain'"):
        joined(network, batch)
    with pytest.raises(ConfigError, match="Contested"):
        joined(network.network, batch)


# mixup --------------------------------------------------------------------------------------------


def test_mixup_has_the_expectation_of_the_two_label_form(bag: Bag) -> None:
    alpha = 0.6
    bag.eval()
    hidden = torch.tanh((bag.words(BATCH["ids"]) * BATCH["mask"][..., None]).sum(1)).detach()
    parts = torch.distributions.Beta(alpha, alpha).sample((20_000,)).double()[:, None]
    classic = torch.zeros((), dtype=torch.float64)
    for i in range(2):
        for j in range(2):
            logits = bag.head(parts * hidden[i] + (1 - parts) * hidden[j])
            both = [-logits.log_softmax(1)[:, BATCH["labels"][k]] for k in (i, j)]
            classic = classic + (parts[:, 0] * both[0] + (1 - parts[:, 0]) * both[1]).mean() / 4
    mixed = mixup(loss, MixupSettings(alpha=alpha), representation=lambda network: network.vector)  # type: ignore[arg-type, return-value]
    many = {name: rows.repeat_interleave(20_000, dim=0) for name, rows in BATCH.items()}
    assert mixed(bag, many).item() == pytest.approx(classic.item(), rel=0.02)
    with torch.no_grad():
        assert mixed(bag, BATCH).item() == loss(bag, BATCH).item()
    assert mixup(loss, MixupSettings(), representation=lambda network: network.vector) is loss  # type: ignore[arg-type, return-value]
