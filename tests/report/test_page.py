import dataclasses
import re
from datetime import UTC, datetime
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from retailor.errors import ConfigError
from retailor.metrics.scores import Score, Scores, decimals
from retailor.report.data import ReportData
from retailor.report.labels import label
from retailor.report.page import TITLES, page, write_report
from retailor.report.texts import CHINESE, note, said
from retailor.report.values import figure, kind_of, plain, seconds, words
from retailor.report.verdicts import _SENTENCES
from retailor.shop.demo import demo_shop
from retailor.shop.look import look
from retailor.tasks.reasons import SENTENCES, Why

HOSTILE = '</td><script>alert("1")</script><img src=http://evil.example/x onerror=alert(2)> & "quotes"'
VOID = {"meta", "br", "img", "link", "input", "hr"}


class Outline(HTMLParser):
    """Checks that every element is closed in order, and remembers what a browser would act on."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag, f"</{tag}> closes nothing"

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def outline(html: str) -> Outline:
    found = Outline()
    found.feed(html)
    found.close()
    assert found.open == []
    return found


def scores(*rows: tuple[str, str, float, float], n: int = 500, bucket: str = "all") -> Scores:
    return Scores(
        tuple(
            Score(row, metric, value, value - half, value + half, n, 0.1, bucket)
            for row, metric, value, half in rows
        )
    )


def full() -> ReportData:
    recommend = scores(("ease", "ndcg@10", 0.0486, 0.003), ("retailor", "ndcg@10", 0.0547, 0.002))
    cold = scores(
        ("ease", "ndcg@10", 0.0101, 0.003), ("retailor", "ndcg@10", 0.0333, 0.002), bucket="item never seen"
    )
    return ReportData(
        title="Cups & co",
        scores={
            "recommend": recommend + cold,
            "sentiment": scores(
                ("tf-idf", "macro_f1", 0.8861, 0.01), ("retailor", "macro_f1", 0.8799, 0.01), n=60
            ),
        },
        profile={"n_items": 1547, "sparsity": 0.95, "languages": [{"language": "en", "share": 0.9}]},
        curves={"adapt": [(i, 3.0 / (i + 1)) for i in range(900)]},
        validations={"adapt": [(0, 0.1), (5, 0.2)]},
        compression={
            "name": "minilm",
            "size_before_bytes": 90_900_000,
            "size_after_bytes": 23_100_000,
            "size_ratio": 3.935,
            "parity": {"cosine_mean": 0.9981, "cosine_min": 0.99, "overlap_10": 0.94, "n": 500},
            "texts_per_s": {"torch float32": 113.0, "compressed": 391.5},
            "speed_ratios": {"torch float32": 3.4646},
            "scores": {
                "search": scores(("retailor", "map", 0.4, 0.1), ("compressed", "map", 0.3899, 0.1)).to_dicts()
            },
            "more": [{"model": "int8", "kept_bytes": 23_100_000}],
        },
        examples={"sentiment": [{"text": HOSTILE, "stars": 3.0, "label": "neutral"}]},
        settings={"seed": 0, "adapt": {"epochs": 1.5}},
        commands=["retailor run plan.toml"],
        versions={"torch": "2.13.0"},
        seeds={"plan": 7},
        stages={"read": 1.25, "adapt": 130.0},
        notes=["This shop is simulated."],
        terms=["礼品卡"],
    )


def test_the_page_is_well_formed_and_shows_every_figure() -> None:
    data = full()
    html = page(data)
    found = outline(html)
    text = " ".join(" ".join(found.words).split())
    for score in (score for some in data.scores.values() for score in some):
        for value in (score.value, score.low, score.high):
            assert f"{value:.{decimals(score.low, score.high)}f}" in text
    for part in (
        "Cups & co",
        "1,547",
        "3.4646",
        "0.9981",
        "0.39",
        "23.1 MB",
        "2 min 11 s",
        "epochs",
        "1.5",
        "2.13.0",
        "礼品卡",
    ):
        assert part in text
    for part in ("retailor run plan.toml", "This shop is simulated.", "item never seen", "neutral"):
        assert part in text
    assert found.tags.count("svg") == 2 + 1 + 2 + 2 + 1  # results, buckets, curves, compression, stages


def test_the_page_loads_nothing() -> None:
    found = outline(page(full()))
    assert not {"script", "img", "link", "iframe", "object", "embed", "base"} & set(found.tags)
    loading = [(key, value) for key, value in found.attributes if key in ("src", "href", "srcset", "data")]
    assert loading and all((value or "").startswith("#") for _, value in loading)
    assert not any(key.startswith("on") for key, _ in found.attributes)
    html = page(full())
    assert "@import" not in html and not re.search(r"url\((?!#)", html)
    assert "default-src 'none'" in html


def test_hostile_words_stay_words() -> None:
    hostile = Scores(
        tuple(Score(HOSTILE, HOSTILE, 0.5, 0.4, 0.6, 3, bucket=bucket) for bucket in ("all", HOSTILE))
    )
    mine = Scores(
        tuple(Score("retailor", HOSTILE, 0.5, 0.4, 0.6, 3, bucket=bucket) for bucket in ("all", HOSTILE))
    )
    data = ReportData(
        title=HOSTILE,
        scores={HOSTILE: hostile + mine},
        profile={HOSTILE: [{HOSTILE: HOSTILE}]},
        curves={HOSTILE: [(1, 2.0), (2, 1.0)]},
        examples={HOSTILE: [{HOSTILE: [HOSTILE, {HOSTILE: HOSTILE}]}]},
        settings={HOSTILE: {HOSTILE: HOSTILE}},
        commands=[HOSTILE],
        versions={HOSTILE: HOSTILE},
        stages={HOSTILE: 1.0},
        notes=[HOSTILE],
        terms=[HOSTILE],
    )
    found = outline(page(data))
    assert "script" not in found.tags and "img" not in found.tags
    assert any("<script>" in word for word in found.words)


def test_an_empty_run_says_why_everything_is_absent() -> None:
    found = outline(page(ReportData(title="Nothing")))
    text = " ".join(found.words)
    for part in (
        "nothing to judge",
        "No task was evaluated",
        "Nothing was trained",
        "No model was compressed",
    ):
        assert part in text
    for part in ("No examples were kept", "was not profiled", "settings were not kept"):
        assert part in text
    assert "svg" not in found.tags


def test_figures_that_are_none_do_not_break_the_page() -> None:
    nan = float("nan")
    rows = Scores((Score("retailor", "mrr", nan, nan, nan, 0), Score("bm25", "mrr", 0.5, 0.4, 0.6, 5)))
    text = " ".join(
        outline(page(ReportData(title="x", scores={"search": rows}, curves={"a": [(1, nan)]}))).words
    )
    assert "There was no test case" in text


def test_cards_keep_the_order_of_their_fields() -> None:
    texts = ["good", "a long text that tells all about the cup and its handle"]
    some = [{"text": each, "stars": 5.0, "label": "positive", "why": each} for each in texts]
    html = page(ReportData(title="x", examples={"sentiment": some}))
    for card in html.split('<div class="card">')[1:]:
        places = [card.index(f">{name}<") for name in ("Text", "Stars", "Label", "Why")]
        assert places == sorted(places)


def test_no_case_is_said_in_words() -> None:
    nan = float("nan")
    none = Scores((Score("retailor", "map", nan, nan, nan, 0, 0.1, "all"),))
    some = scores(("retailor", "map", 0.4, 0.1), ("bm25", "map", nan, nan))
    for language, told in (("en", "There was no test case"), ("zh", "没有测试样例")):
        html = page(ReportData(title="x", scores={"search": none}), languages=(language,))
        assert html.count(told) == 2 and "nan" not in html and "–" not in html.split("<footer>")[0]
    assert "–: not measured" in page(ReportData(title="x", scores={"search": some}))
    assert "–: not measured" not in page(
        ReportData(title="x", scores={"search": scores(("retailor", "map", 0.4, 0.1))})
    )


KEYS = re.compile(r"""\bt\(\s*('[^']*'|"[^"]*")""")
A_SENTENCE = re.compile(r"[A-Za-z]{2,}[ ,]+[A-Za-z]{2,}[ ,]+[A-Za-z]{2,}")


def test_every_text_of_the_report_has_its_chinese() -> None:
    template = Path("src/retailor/report/body.jinja").read_text(encoding="utf-8")
    used = {found[1:-1] for found in KEYS.findall(template)} | set(_SENTENCES.values()) | set(TITLES.values())
    assert len(used) > 50 and used <= set(CHINESE)
    fields = re.compile(r"\{\w*\}")
    for english, chinese in CHINESE.items():
        assert sorted(fields.findall(english)) == sorted(fields.findall(chinese)), english
        assert re.search("[一-鿿]|^–", chinese), english


def test_the_chinese_report_has_no_english_sentence_and_the_same_figures() -> None:
    data = full()
    english, chinese = (outline(page(data, languages=(each,))) for each in ("en", "zh"))
    without = re.sub("<svg.*?</svg>", "", page(data, languages=("zh",)).split("<body>")[1], flags=re.DOTALL)
    body = " | ".join(word.replace(HOSTILE, "") for word in outline(f"<html><body>{without}").words)
    assert "值得吗" in body and "This shop is simulated." in body
    theirs = (
        "This shop is simulated.",
        "item never seen",
        "retailor run plan.toml",
        "Times faster than torch",
    )
    for each in theirs:
        body = body.replace(each, "")
    assert not A_SENTENCE.findall(body)
    number = re.compile(r"\d+\.\d+")
    assert sorted(number.findall(" ".join(english.words))) == sorted(number.findall(" ".join(chinese.words)))


def test_notes_are_read_in_chinese() -> None:
    assert note("review was left out: no: reviews\nhere", "zh") == "review 未做：no: reviews\nhere"
    assert note("The plan skips: adapt, review.", "zh") == "计划跳过：adapt, review。"
    assert note("something of the shop", "zh") == "something of the shop"
    assert note("1,200 items have a picture.", "zh") == "1,200 件商品有图片。"
    told = (
        "9 items have a picture; of others it could not be read: 2 × none of JPEG; "
        "the pictures of 3 pairs are as good as the same (a and b)."
    )
    assert (
        note(told, "zh")
        == "9 件商品有图片；其他商品的图片无法读取：2 × none of JPEG；有 3 对商品的图片几乎相同（a and b）。"
    )
    assert note("The plan skips: adapt.", "en") == "The plan skips: adapt."


def test_one_file_holds_both_languages_and_a_reader_chooses(tmp_path: Path) -> None:
    html = write_report(full(), tmp_path / "report.html").read_text(encoding="utf-8")
    found = outline(html)
    ids = [value for name, value in found.attributes if name == "id" and value]
    assert {"show-en", "show-zh", "summary", "zh-summary"} <= set(ids)
    targets = [value for name, value in found.attributes if name == "href" and value]
    assert {target[1:] for target in targets} <= set(ids) and html.count(" checked") == 1
    assert "Did it pay?" in html and "值得吗？" in html and "script" not in found.tags


def test_write_report_takes_a_mapping_and_replaces_the_file(tmp_path: Path) -> None:
    values: dict[str, Any] = {"title": "One", "scores": {"search": full().scores["sentiment"].to_dicts()}}
    path = tmp_path / "deep" / "report.html"
    assert write_report({"title": "Zero"}, path) == path
    write_report(values, path)
    assert "0.880" in path.read_text(encoding="utf-8")
    assert [each.name for each in path.parent.iterdir()] == ["report.html"]
    with pytest.raises(ConfigError, match=r"no part 'scorse'.*Did you mean 'scores'"):
        write_report({"title": "One", "scorse": {}}, path)


def test_settings_may_be_toml() -> None:
    assert "[adapt]" in page(ReportData(title="x", settings="seed = 1\n[adapt]\nepochs = 2\n"))
    assert "not [ toml" in page(ReportData(title="x", settings="not [ toml"))


def test_the_page_depends_on_its_data_alone() -> None:
    now = datetime(2025, 1, 2, 3, 4, tzinfo=UTC)
    assert page(full(), now=now) == page(full(), now=now) and "2025-01-02 03:04 UTC" in page(full(), now=now)


def test_values_as_people_read_them() -> None:
    values = [None, "", True, 1547, 3.0, 0.25, 0.00005, 1234.56, float("nan"), "x"]
    assert [plain(value) for value in values] == [
        "–", "–", "yes", "1,547", "3", "0.25", "5e-05", "1,234.6", "–", "x",
    ]  # fmt: skip
    assert (
        plain(23_100_000, "size_bytes") == "23.1 MB"
        and figure(0.5, 4) == "0.5000"
        and figure(41.23, 1) == "41.2"
    )
    assert [seconds(value) for value in (1.25, 61, 7300)] == ["1.2 s", "1 min 01 s", "2 h 01 min"]
    assert [words(name) for name in ("n_items", "size_bytes", "then")] == ["Items", "Size", "Then"]
    assert [kind_of(value) for value in ({}, [{"a": 1}], [1], [], "", None)] == [
        "group", "table", "list", "list", "text", "figure",
    ]  # fmt: skip


def test_the_profile_becomes_facts_pictures_and_tables() -> None:
    shop = demo_shop(40)
    bare = shop.with_tables(items=shop.items.with_columns(image=pl.lit(None, pl.String)))
    profile = look(bare).to_dict()
    found = outline(page(ReportData(title="x", profile={**profile, "something new": {"a": 1}})))
    text = " ".join(" ".join(found.words).split())
    for part in (
        "Reviews by label",
        "Rows over time",
        "Languages, by table",
        "image 100",
        "time span",
        "new",
    ):
        assert part.lower() in text.lower()
    assert found.tags.count("svg") == 5 and profile["first_time"][:10] in text


def test_a_profile_of_any_shape_is_shown() -> None:
    for odd in (
        {"rows": 3},
        {"missing": "none"},
        {"languages": [1, 2]},
        {"labels": {}},
        {"rows_by_time": [{}]},
    ):
        outline(page(ReportData(title="x", profile=odd)))


def _seen_in_chinese(data: ReportData) -> list[str]:
    """What a reader of the Chinese page sees or hears, the words of pictures among it."""
    body = page(data, languages=("zh",)).split("<body>")[1]
    found = re.findall(r'>([^<>]+)<|aria-label="([^"]*)"', body)
    return [unescape(text or label).strip() for text, label in found]


FOUR_WORDS = re.compile(r"[A-Za-z]{2,}(?:[ ,]+[A-Za-z]{2,}){3,}")


def test_pictures_systems_notes_and_reasons_are_chinese_and_the_shop_s_texts_stay() -> None:
    rows = ("retailor", "retailor before tuning", "popularity", "encoder kernel + knn", "user reviews alone",
            "tf-idf + knn", "nearest review", "frozen probe", "BM25")  # fmt: skip
    some = scores(*((row, "ndcg@10", 0.1 + 0.01 * i, 0.005) for i, row in enumerate(rows)))
    for bucket in ("item never seen", "item seen more", "item seen 6-10", "new items"):
        some += scores(
            ("retailor", "ndcg@10", 0.1, 0.01), ("popularity", "ndcg@10", 0.1, 0.01), bucket=bucket
        )
    title = "view of the mug alone, with handle (control)"
    why = [
        Why("next", item=title, n_customers=3),
        Why("text"),
        Why("user_frequency"),
        Why("popular", n_customers=9),
    ]
    data = dataclasses.replace(
        full(),
        scores={"recommend": some, "sentiment": full().scores["sentiment"]},
        examples={
            "recommend": [
                {"history": [title], "recommended": [{"title": title, "reason": each.text()} for each in why]}
            ]
        },
        profile={
            "gaps": [
                "reviews: 1 of 54 customers have no events",
                "events: 3 of 9 rows are about items that the catalogue lacks, like 'I1'; "
                "3 would join in small letters: 'I1' against 'i1'",
                "items: 2 of 9 have no title, like 'a b'",
            ]
        },
        ledgers=[
            {
                "task": "sentiment",
                "encoder": "minilm",
                "metric": "accuracy",
                "unit": "labels",
                "rows": [],
                "findings": [
                    {
                        "n": 64,
                        "stop": "fine-tuned",
                        "best": "domain adaptation",
                        "control": "cheap baseline",
                        "model": "fine-tuned",
                        "gain": 0.1,
                        "gain_low": low,
                        "gain_high": high,
                        "n_looks": 7,
                    }
                    for low, high in ((0.05, 0.15), (-0.05, 0.25), (-0.3, -0.1), (None, None))
                ],
                "notes": [],
                "kinds": [
                    {
                        "name": name,
                        "about": about,
                        "cases": [[64, 3]],
                        "rows": [],
                        "findings": [],
                        "advice": [],
                    }
                    for name, about in (
                        ("cold items", "items that 2 customers at most have in the events learned from"),
                        ("cold customers", "customers of whom 1 to 2 events are known"),
                        (
                            "cold customers",
                            "every customer, known by the latest 2 events alone, as only 8 cases are of "
                            "customers with so few",
                        ),
                        (
                            "text-only customers",
                            "customers known by the latest review that they wrote, and by no event; a row "
                            "that reads no text answers with what is popular",
                        ),
                    )
                ],
                "foretold": [
                    "fine-tuned: with 1,024 labels about 0.905 (80 %: 0.890 – 0.920), +2.0 points take about "
                    "400 more (200 – ≥ 15,872)",
                    "pretrained, frozen: with 1,024 labels about 0.8 (80 %: 0.7 – 0.9), +2.0 points take "
                    "more than 32 times the data",
                ],
                "verdicts": [
                    "fine-tuned: +3.1 ± 0.8 points with 64 labels, not distinguishable from zero with 512 "
                    "labels (+0.2 ± 0.9)",
                    "domain adaptation: nothing to compare it with",
                ],
            }
        ],
        notes=[
            "Customers' ids are pseudonyms, under the key in the environment variable 'KEY'.",
            "recommend is no better on held-out customers with these parts, dropped: meaning kernel, taste.",
        ],
    )
    seen = _seen_in_chinese(data)
    theirs = {title, HOSTILE, "retailor run plan.toml"}
    english = [text for text in seen if FOUR_WORDS.search(text.replace(title, "")) and text not in theirs]
    assert not english
    assert seen.count(title) >= 2 and {"热门商品", "从未出现的商品", "出现 6-10 次的商品"} <= set(seen)
    assert f"选择“{title}”的顾客接下来选了它" in seen and "9 位顾客选过" in seen
    assert "reviews：54 位顾客中有 1 位没有行为" not in seen and "评论：54 位顾客中有 1 位没有行为" in seen


def test_every_sentence_of_a_reason_is_read_back_in_chinese() -> None:
    for code, told in SENTENCES.items():
        why = Why(code, item="Blue Mug", words=("mug", "tea"), n_customers=12)
        assert said(why.text("en"), "zh") == why.text("zh"), told["en"]
    assert said("12 views of a mug", "zh") == "12 views of a mug"


@pytest.mark.parametrize(
    ("english", "chinese"),
    [
        (
            "encoder = 'auto' took 'e5' (multilingual-e5-small, Chinese too) for texts in en 68%, zh 32%.",
            "encoder = 'auto'：文字为 en 68%, zh 32%，选用 'e5'。",
        ),
        (
            "sentiment, dropped: unlabelled 0, empty 2, repeated 5",
            "情感，已去掉：没有标注的 0 条、空的 2 条、重复的 5 条",
        ),
        (
            "refit-recommend is no better on held-out customers with these parts, dropped: two_tower, ease.",
            "重新拟合的推荐 加上这些部件后在留出的顾客上并无改进，已去掉：双塔、ease。",
        ),
    ],
)
def test_the_notes_of_a_run_are_read_back(english: str, chinese: str) -> None:
    assert label(english) == chinese


def test_what_answering_more_costs_is_drawn_and_told_in_both_languages() -> None:
    told = {"caution": 0.4, "answered_percent": 50.0, "wrong": 0.1, "risks": [[50.0, 0.1], [100.0, 0.3]]}
    scores = {"answer": Scores((Score("retailor", "map", 0.5, 0.4, 0.6, 9),))}
    data = ReportData(title="x", scores=scores, coverage={"answer": told})
    html = page(data, languages=("en",))
    assert "at least 0.40 sure of: 50 % of the questions, of which 10 % wrongly" in html
    chinese = page(data, languages=("zh",))
    assert "回答了 50 % 的问题，其中 10 % 答错；全部回答则有 30 % 答错" in chinese
    assert "share of wrong answers by share of questions answered" in html
    assert "How much to answer" not in page(ReportData(title="x", scores=scores))
