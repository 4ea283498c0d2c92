"""Which command makes which file of `results/`: nothing else writes there."""

from __future__ import annotations

import shlex
from dataclasses import dataclass


@dataclass(frozen=True)
class Run:
    """One file of results, `results/NAME.json`."""

    name: str
    minutes: float
    """About, on two cores: the cheap ones are made first."""
    data: tuple[str, ...] = ()
    """The folders that it reads in `--data`."""
    script: str = ""
    """The benchmark; as the file is called, unless given."""
    arguments: str = ""
    """What differs from the benchmark's own dials."""

    @property
    def benchmark(self) -> str:
        return self.script or self.name

    @property
    def command(self) -> str:
        return shlex.join(["python", f"benchmarks/{self.benchmark}.py", *shlex.split(self.arguments)])


POLARITY = ("amazon-polarity-10k",)
CHINESE = ("online-shopping-10-cats", "eprstmt")
SHOPS = ("amazon2014-beauty", "amazon2018-magazine", "amazon2018-gift-cards", "icecat-search")
CURVES = ("amazon2014-beauty", "amazon2018-gift-cards", "amazon2018-magazine")
RUNS = (
    Run("encode_speed", 3, ("amazon-polarity-10k", "amazon2014-beauty")),
    Run("serve_speed", 6),
    Run("serve_workers", 12),
    Run("live_events", 4),
    Run("soak", 36),
    Run("update_cost", 4),
    Run("train_devices", 3),
    Run("scale_events", 6),
    Run("scale_search", 40, ("icecat-search", "amazon2014-beauty")),
    Run("scale_ray", 40),
    Run("suggest_speed", 4),
    Run("cache_hits", 2),
    Run("packed_vectors", 10, ("icecat-search", "amazon2014-beauty")),
    Run("low_rank", 12, ("amazon-polarity-10k", "icecat-search", "amazon2014-beauty")),
    Run("generate_speed", 8),
    Run("compress_frontier", 90, ("amazon-polarity-10k", "icecat-search", "amazon2014-beauty")),
    Run("e5_trimmed", 25, ("icecat-search", "online-shopping-10-cats", "eprstmt")),
    Run("read_speed", 4, ("taobao", "amazon2018-gift-cards")),
    Run("recommend_taobao", 4, ("taobao",)),
    Run("clothing_pictures", 12, ("clothing-pictures",)),
    Run("recommend_tafeng", 20, ("tafeng",)),
    Run("grocery_pictures", 25, ("grocery-pictures",)),
    Run("search_icecat", 6, ("icecat-search",)),
    Run("search_kinds", 2),
    Run("search_nothing", 2),
    Run("search_other_words", 15, ("icecat-search",)),
    Run("answer_hetpqa", 12, ("hetpqa", "epqa", "semipqa")),
    Run("answer_words", 1, ("hetpqa",)),
    Run("answer_subjqa", 4, ("subjqa-electronics",)),
    Run("answer_yes_no", 4, ("qa-appliances",)),
    Run("answer_by_hand", 10),
    Run("insight", 15, ("absa-laptop", "absa-phone-zh", "amazon-polarity-10k", "online-shopping-10-cats")),
    Run("dialogue", 5),
    Run("bandit", 15),
    Run("sentiment_auto", 15, ("amazon-polarity-10k", "amazon2018-magazine", "online-shopping-10-cats")),
    Run("gift_cards", 15, ("amazon2018-gift-cards",)),
    Run("review_drafts", 30, ("amazon2018-gift-cards", "amazon-polarity-10k")),
    Run("review_preferences", 30, ("amazon2018-gift-cards",)),
    Run("where_it_pays", 30, SHOPS),
    Run("small_shops", 60, ("amazon2014-beauty",)),
    Run("choose", 20, ("amazon-polarity-10k", "online-shopping-10-cats")),
    Run("choose_tasks", 20, ("amazon2014-beauty", "icecat-search")),
    Run("forecast", 8, ("amazon-polarity-10k", "online-shopping-10-cats", *CURVES)),
    Run("transfer_curve", 18, CURVES),
    Run("transfer_curve_magazines", 6, CURVES, "transfer_curve", "--shop magazines"),
    Run("transfer_curve_gift_cards", 6, CURVES, "transfer_curve", "--shop gift-cards"),
    Run("ledger_tasks", 18, ("amazon2014-beauty", "icecat-search", "hetpqa")),
    Run("recommend_cold", 25, ("amazon2014-beauty",)),
    Run("recommend_scale", 25),
    Run("scale_events_large", 40, (), "scale_events",
        "--sizes 10000000 100000000 --without 'bare rows' recommend"),
    Run("recommend_scale_large", 45, (), "recommend_scale", "--sizes 4000000 --events 25"),
    Run("amazon_polarity_minilm", 60, POLARITY, "amazon_polarity", "--encoder minilm --scratch"),
    Run("ledger", 60, POLARITY),
    Run("amazon_polarity", 110, POLARITY),
    Run("absa_laptop", 60, ("absa-laptop", "amazon-polarity-10k")),
    Run("online_shopping", 150, CHINESE),
    Run("eprstmt", 20, CHINESE),
    Run("online_shopping_leave_one_out", 120, CHINESE),
    Run("recommend_beauty", 180, ("amazon2014-beauty",)),
)  # fmt: skip
"""The cheap ones first, and none before what it takes its start from."""

BY_NAME = {run.name: run for run in RUNS}
BENCHMARKS = tuple(dict.fromkeys(run.benchmark for run in RUNS))


def of_benchmark(benchmark: str) -> Run:
    """The first run of a benchmark."""
    return next(run for run in RUNS if run.benchmark == benchmark)
