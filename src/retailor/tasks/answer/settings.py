"""The settings of an answerer."""

from __future__ import annotations

from typing import Literal

from retailor.config import Field, settings


@settings
class AnswerSettings:
    """What is read, how much of it, and how sure an answer must be."""

    caution: float | None = Field(default=None, gt=0, lt=1)
    """An answer is given when the probability that its evidence answers is at least this. None: at the bound
    that told best, on held-out training questions, which ones have an answer."""
    n_evidence: int = Field(default=3, ge=1)
    max_question_chars: int = Field(default=1000, gt=0)
    max_history: int = Field(default=8, ge=0)
    """Earlier turns that are read, the latest ones."""
    max_passages_per_item: int = Field(default=400, gt=0)
    max_review_sentences_per_item: int = Field(default=200, ge=0)
    max_passage_chars: int = Field(default=600, gt=20)
    n_candidates: int = Field(default=40, ge=1)
    """Passages that are looked at closely, after words and meaning have put them first."""
    n_items: int = Field(default=5, ge=1)
    """Items that a question asked on no page may be about."""
    min_questions: int = Field(default=20, ge=5)
    """Below this many answered questions the ranker learns from made questions alone."""
    max_questions: int = Field(default=5000, ge=20)
    n_negatives: int = Field(default=6, ge=2)
    wording: Literal["quote", "generator"] = "quote"
    """'generator': a plan gives the task the generator, which words what the evidence says; its words are
    kept only where they pass a check against the evidence, else the evidence is quoted. Figures of wording
    are of the quotes."""
    max_answer_tokens: int = Field(default=80, gt=0)
    max_new_words: float = Field(default=0.0, ge=0, le=1)
    """The share of a generated answer's content words that its evidence does not have."""
    seed: int = 0
