"""Every loss against a slow plain reference."""

from __future__ import annotations

import math

import pytest
import torch

from retailor.train.losses.functions import (
    causal_lm,
    contrastive,
    cross_entropy,
    distillation,
    masked_lm,
    n_labels,
    seq2seq_lm,
    similarity_distillation,
)


def softmax(row: list[float]) -> list[float]:
    top = max(row)
    weights = [math.exp(x - top) for x in row]
    return [w / sum(weights) for w in weights]


def nll(row: list[float], label: int) -> float:
    return -math.log(softmax(row)[label])


def cosine(a: list[float], b: list[float]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True)) / (math.hypot(*a) * math.hypot(*b))


@pytest.fixture
def logits() -> torch.Tensor:
    return torch.randn(2, 4, 5, generator=torch.Generator().manual_seed(1))


LABELS = torch.tensor([[-100, 3, -100, 1], [0, -100, 2, -100]])


def test_masked_lm_is_the_mean_over_masked_places(logits: torch.Tensor) -> None:
    losses = [
        nll(logits[b, t].tolist(), int(LABELS[b, t])) for b in range(2) for t in range(4) if LABELS[b, t] >= 0
    ]
    assert masked_lm(logits, LABELS).item() == pytest.approx(sum(losses) / 4, rel=1e-5)
    assert seq2seq_lm(logits, LABELS).item() == pytest.approx(sum(losses) / 4, rel=1e-5)


def test_causal_lm_looks_one_token_ahead(logits: torch.Tensor) -> None:
    losses = [
        nll(logits[b, t - 1].tolist(), int(LABELS[b, t]))
        for b in range(2)
        for t in range(1, 4)
        if LABELS[b, t] >= 0
    ]
    assert causal_lm(logits, LABELS).item() == pytest.approx(sum(losses) / len(losses), rel=1e-5)


def test_a_batch_without_labels_is_zero_with_a_gradient(logits: torch.Tensor) -> None:
    logits.requires_grad_()
    loss = masked_lm(logits, torch.full((2, 4), -100))
    loss.backward()
    assert loss.item() == 0 and logits.grad is not None


def test_contrastive() -> None:
    generator = torch.Generator().manual_seed(2)
    left, right, hard = (torch.randn(n, 6, generator=generator) for n in (4, 4, 3))
    scores = [[cosine(a, b) / 0.1 for b in right.tolist()] for a in left.tolist()]
    further = [[cosine(a, b) / 0.1 for b in hard.tolist()] for a in left.tolist()]
    forth = sum(nll(scores[i] + further[i], i) for i in range(4)) / 4
    back = sum(nll([scores[j][i] for j in range(4)], i) for i in range(4)) / 4
    found = contrastive(left, right, negatives=hard, temperature=0.1)
    assert found.item() == pytest.approx((forth + back) / 2, rel=1e-5)
    one_way = contrastive(left, right, negatives=hard, temperature=0.1, symmetric=False)
    assert one_way.item() == pytest.approx(forth, rel=1e-5)


@pytest.mark.parametrize("symmetric", [False, True])
def test_contrastive_spares_pairs_that_belong_together(symmetric: bool) -> None:
    generator = torch.Generator().manual_seed(3)
    left, right = torch.randn(3, 6, generator=generator), torch.randn(3, 6, generator=generator)
    same = torch.tensor([[True, True, False], [False, True, False], [False, False, True]])
    scores = [[cosine(a, b) / 0.5 for b in right.tolist()] for a in left.tolist()]

    def mean(rows: list[list[float]], spared: torch.Tensor) -> float:
        kept = [[j for j in range(3) if i == j or not spared[i, j]] for i in range(3)]
        return sum(nll([rows[i][j] for j in kept[i]], kept[i].index(i)) for i in range(3)) / 3

    expected = mean(scores, same)
    if symmetric:
        turned = [[scores[i][j] for i in range(3)] for j in range(3)]
        expected = (expected + mean(turned, same.T)) / 2
    found = contrastive(left, right, same=same, symmetric=symmetric, temperature=0.5)
    assert found.item() == pytest.approx(expected, rel=1e-5)
    ignored = contrastive(left, right, symmetric=symmetric, temperature=0.5)
    assert abs(ignored.item() - expected) > 0.01


def test_labels_are_counted_by_the_weight_of_their_class() -> None:
    assert n_labels(LABELS) == 4
    assert n_labels(LABELS, weights=torch.tensor([1.0, 2.0, 4.0, 8.0])) == 1 + 2 + 4 + 8
    assert n_labels(torch.full((2, 3), -100)) == 0


def test_cross_entropy_of_nothing_labelled_is_zero_with_a_gradient() -> None:
    rows = torch.randn(2, 3, requires_grad=True)
    for labels, weights in (
        ([-100, -100], None),
        ([-100, -100], torch.ones(3)),
        ([0, 0], torch.tensor([0.0, 1, 1])),
    ):
        loss = cross_entropy(rows, torch.tensor(labels), weights=weights)
        loss.backward()
        assert loss.item() == 0 and rows.grad is not None and not rows.grad.any()


def test_cross_entropy_with_smoothing_and_weights() -> None:
    rows = torch.randn(4, 3, generator=torch.Generator().manual_seed(4))
    labels, weights = [0, 2, 1, 1], [1.0, 2.0, 0.5]
    top = below = 0.0
    for row, label in zip(rows.tolist(), labels, strict=True):
        smooth = sum(weights[c] * nll(row, c) for c in range(3)) / 3
        top += 0.9 * weights[label] * nll(row, label) + 0.1 * smooth
        below += weights[label]
    found = cross_entropy(rows, torch.tensor(labels), smoothing=0.1, weights=torch.tensor(weights))
    assert found.item() == pytest.approx(top / below, rel=1e-5)


def test_distillation_is_a_scaled_kl_and_zero_for_equals() -> None:
    generator = torch.Generator().manual_seed(5)
    student, teacher = torch.randn(3, 4, generator=generator), torch.randn(3, 4, generator=generator)
    kl = 0.0
    for s, t in zip(student.tolist(), teacher.tolist(), strict=True):
        p, q = softmax([x / 2 for x in t]), softmax([x / 2 for x in s])
        kl += sum(a * math.log(a / b) for a, b in zip(p, q, strict=True)) / 3
    assert distillation(student, teacher, temperature=2.0).item() == pytest.approx(4 * kl, rel=1e-5)
    assert distillation(student, student).item() == pytest.approx(0, abs=1e-6)


def test_similarity_distillation_ignores_rotation_and_sees_change() -> None:
    vectors = torch.randn(6, 8, generator=torch.Generator().manual_seed(6))
    turn = torch.linalg.qr(torch.randn(8, 8, generator=torch.Generator().manual_seed(7)))[0]
    assert similarity_distillation(vectors @ turn, vectors).item() == pytest.approx(0, abs=1e-5)
    assert similarity_distillation(vectors.flip(1) * vectors, vectors).item() > 0.01
    assert similarity_distillation(vectors[:2], vectors[:2]).item() == 0


def test_similarity_distillation_is_the_kl_of_softmaxed_cosines_with_all_others() -> None:
    generator = torch.Generator().manual_seed(9)
    student, teacher = torch.randn(4, 3, generator=generator), torch.randn(4, 5, generator=generator)

    def near(rows: list[list[float]], i: int) -> list[float]:
        return softmax([cosine(rows[i], rows[j]) / 0.5 for j in range(4) if j != i])

    pairs = [(near(teacher.tolist(), i), near(student.tolist(), i)) for i in range(4)]
    kl = sum(a * math.log(a / b) for p, q in pairs for a, b in zip(p, q, strict=True)) / 4
    assert similarity_distillation(student, teacher, temperature=0.5).item() == pytest.approx(kl, rel=1e-4)


def test_the_temperatures_that_are_taken_when_none_is_given() -> None:
    generator = torch.Generator().manual_seed(8)
    a, b = torch.randn(4, 6, generator=generator), torch.randn(4, 6, generator=generator)
    assert contrastive(a, b) == contrastive(a, b, temperature=0.05, symmetric=True)
    assert distillation(a, b) == distillation(a, b, temperature=2.0)
    assert similarity_distillation(a, b) == similarity_distillation(a, b, temperature=0.05)
    assert similarity_distillation(a, b) != similarity_distillation(a, b, temperature=1.05)
