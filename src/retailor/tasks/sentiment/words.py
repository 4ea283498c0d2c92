"""The two readers of words, the baselines of every fit."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np

from retailor.tasks.sentiment.fitting import NB_SVM, TF_IDF, Fitting
from retailor.tasks.sentiment.readers.heads import Fitted, Kind, choose_head
from retailor.tasks.sentiment.readers.linear import WordReader


def fit_words(fitting: Fitting) -> dict[str, tuple[WordReader, Fitted]]:
    """By row the two readers of words, over the same features, and how their heads were fitted.

    Terms are counted twice: without the held-out texts, which must not say which rare ones count, and in all.
    """
    start, chosen, queries = time.perf_counter(), fitting.settings, fitting.examples.queries
    known = WordReader.counted(queries, 1 if fitting.held is None else chosen.min_count, chosen.max_terms)
    features = every = known.features(queries)
    if fitting.held is not None:
        seen = [queries[i] for i in np.setdiff1d(np.arange(len(queries)), fitting.held)]
        features = WordReader.counted(seen, chosen.min_count, chosen.max_terms).features(queries)
    counting = time.perf_counter() - start
    kinds: dict[str, Kind] = {TF_IDF: "svm", NB_SVM: "nb-svm"}
    found = {}
    for row, kind in kinds.items():
        start = time.perf_counter()
        fitted = choose_head(
            features, fitting.examples.y, kind, chosen.word_strengths, fitting.weights, fitting.held,
            fitting.seed, in_the_end=every,
        )  # fmt: skip
        seconds = counting + time.perf_counter() - start
        fitting.note(
            row,
            seconds,
            fitted.figures,
            fitted.logits,
            strength=fitted.strength,
            n_terms=len(known.vocabulary),
        )
        found[row] = replace(known, head=fitted.head), fitted
    return found
