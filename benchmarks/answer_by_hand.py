"""Questions as customers ask them, on the demo shop: useful, rightly silent, or not.

    python benchmarks/answer_by_hand.py --part develop --show --out build/rehearsals
    python benchmarks/answer_by_hand.py

`questions/demo_answers.jsonl` was written before the answerer was changed for it, from what the pages say and
not from what the answerer says; half of it ('develop') was looked at while working, the other half ('kept')
was asked once, at the end. The shop, its cleaning and the adapted encoder are those of `plans/demo.toml`.

An answer is `useful` when it holds what the question asks for; `silent` is right where no page tells, and
allowed where two items are compared. Of the others, `wrong` misleads (a contrary yes or no, another quantity
of the same kind, a yes or no that nothing supports) and `beside` is another matter.

`questions/demo_untold.jsonl` asks what hardly a page tells ('can it be engraved?'), of N_PAGES products each,
none of whose passages has a word that would tell it: any answer is beside the point.
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
from bench import begin, parser_of
from remembering import Remembering

from retailor.metrics.interval import score_mean
from retailor.metrics.scores import Score
from retailor.models.local import load_encoder
from retailor.plan.run import run
from retailor.plan.settings import read_plan
from retailor.seeds import stream
from retailor.shop.demo.words_en import ENGLISH
from retailor.shop.demo.words_zh import CHINESE
from retailor.shop.tables import Shop, open_shop
from retailor.tasks.answer import Answerer
from retailor.tasks.answer.evidence.passages import passages
from retailor.tasks.answer.shapes import Answered, AnswerQuery
from retailor.tasks.registry import TASKS
from retailor.text.quantities import parse_quantities

HERE = Path(__file__).parent
QUESTIONS = HERE / "questions" / "demo_answers.jsonl"
UNTOLD = HERE / "questions" / "demo_untold.jsonl"
N_PAGES = 8
ALL = 100_000
LABELS = ("useful", "rightly silent", "wrong", "beside the point", "wrongly silent")
_LEAD = {
    "yes": re.compile(r"^(?:[^.。:：]*[:：]\s*)?(?:yes\b|是的|是，|可以，|有，|会，|能，)", re.IGNORECASE),
    "no": re.compile(r"^(?:[^.。:：]*[:：]\s*)?(?:no\b[.,]|不是|没有，|不会，|不能，|不，)", re.IGNORECASE),
}


@dataclass(frozen=True)
class Asked:
    """A question with what a right answer says.

    `right`: of each group one must be said; or a sentence of customers about `aspect`. `false`: what must not
    be said; `verdict`: the yes or no that must not be turned round. `silent`: 'must', 'may' or 'no'.
    """

    id: str
    part: str
    kind: str
    language: str
    item_id: str
    question: str
    right: Sequence[Sequence[str]]
    false: Sequence[str]
    verdict: str | None
    aspect: str | None
    silent: str


def read_questions(part: str) -> list[Asked]:
    """The questions of 'develop' or 'kept', in the file's order."""
    rows = [json.loads(line) for line in QUESTIONS.read_text(encoding="utf-8").splitlines()]
    return [Asked(**row) for row in rows if row["part"] == part]


def judge(asked: Asked, answer: Answered) -> str:
    """One of LABELS."""
    lead = next((name for name, pattern in _LEAD.items() if pattern.match(answer.text)), None)
    if not answer.known:
        return "wrongly silent" if asked.silent == "no" else "rightly silent"
    if asked.silent == "must":
        return "wrong" if lead else "beside the point"
    if any(_says(answer.text, each) for each in asked.false):
        return "wrong"
    if asked.verdict and lead and lead != asked.verdict:
        return "wrong"
    told = asked.right and all(any(_says(answer.text, each) for each in group) for group in asked.right)
    if told or any(_says(answer.text, each) for each in _sentences_about(asked.aspect)):
        return "useful"
    return "wrong" if lead or _another_quantity(asked, answer.text) else "beside the point"


def _says(text: str, part: str) -> bool:
    before = r"(?<![\d.])" if part[0].isdigit() else ""
    return re.search(before + re.escape(part), text, re.IGNORECASE) is not None


def _sentences_about(aspect: str | None) -> list[str]:
    aspects = [
        each
        for language in (ENGLISH, CHINESE)
        for each in (*language.aspects, *(own for theme in language.themes for own in theme.aspects))
        if each.key == aspect
    ]
    return [said.rstrip(".!。！") for each in aspects for said in (*each.good, *each.bad)]


def _another_quantity(asked: Asked, text: str) -> bool:
    wanted = {q.dimension for group in asked.right for part in group for q in parse_quantities(part)}
    return bool(wanted & {q.dimension for q in parse_quantities(text)})


def fitted(encoder: str, folder: Path, *, questions: bool) -> tuple[Answerer, Shop]:
    """The answerer of the demo's plan over this encoder, with or without the shop's own questions."""
    skipped = json.dumps(["adapt-generator", "compress", *TASKS])
    plan = HERE.parent / "plans" / "demo.toml"
    only = read_plan(plan, {"models.encoder": f'"{encoder}"', "skip": skipped})
    made = {stage.name: folder / stage.folder for stage in run(only, folder).stages}
    train = open_shop(made["split"] / "train")
    # The questions ask for what the products' pages say, and were written before the shop had rules.
    train = train.with_tables(rules=train.rules.head(0), facts=train.facts.head(0))
    if not questions:
        train = train.with_tables(questions=train.questions.head(0))
    adapted = Remembering(load_encoder(made["adapt"] / "model"))
    return Answerer(adapted, None, only.sections["answer"]).fit(train), train


def measure(answerer: Answerer, asked: Sequence[Asked], row: str, show: bool) -> list[Score]:
    """The share of each label, by kind of question and in all."""
    started = time.perf_counter()
    answers = answerer.predict([AnswerQuery(each.question, each.item_id) for each in asked])
    seconds = time.perf_counter() - started
    labels = [judge(each, answer) for each, answer in zip(asked, answers, strict=True)]
    if show:
        for each, answer, label in zip(asked, answers, labels, strict=True):
            sys.stdout.write(f"{label:16} {each.id} {each.kind:12} {each.question}\n{'':17}{answer.text}\n")
    scores = []
    for kind in ("all", *dict.fromkeys(each.kind for each in asked)):
        own = [label for each, label in zip(asked, labels, strict=True) if kind in ("all", each.kind)]
        good = [label in ("useful", "rightly silent") for label in own]
        metrics: dict[str, list[bool]] = {"useful or rightly silent": good}
        metrics |= {name: [label == name for label in own] for name in LABELS}
        scores += [score_mean(row, m, v, bucket=kind, seconds=seconds) for m, v in metrics.items()]
    return scores


def measure_untold(answerer: Answerer, shop: Shop, part: str, row: str, show: bool) -> list[Score]:
    """The share of questions answered on pages that do not tell what they ask, by language."""
    table = passages(shop, max_per_item=ALL, max_review_sentences=ALL, max_chars=ALL)
    told = {
        item: " ".join(texts).lower()
        for item, texts in table.group_by("item_id")
        .agg(pl.col("text"), pl.col("question").drop_nulls().alias("asked"))
        .select("item_id", pl.concat_list("text", "asked"))
        .iter_rows()
    }
    languages = dict(shop.items.select("item_id", "language").iter_rows())
    answered: dict[str, list[bool]] = {"all": [], "en": [], "zh": []}
    for line in UNTOLD.read_text(encoding="utf-8").splitlines():
        each = json.loads(line)
        if each["part"] != part:
            continue
        silent = [
            item
            for item, language in sorted(languages.items())
            if language == each["language"]
            and not any(word in told.get(item, "") for word in each["told_by"])
        ]
        drawn = stream(0, "answer_by_hand", each["id"]).permutation(len(silent))[:N_PAGES]
        queries = [AnswerQuery(each["question"], silent[int(i)]) for i in drawn]
        for query, answer in zip(queries, answerer.predict(queries), strict=True):
            answered["all"].append(answer.known)
            answered[each["language"]].append(answer.known)
            if show and answer.known:
                sys.stdout.write(f"{'untold':16} {each['id']} {query.question}\n{'':17}{answer.text}\n")
    metric = "answered, though no page tells"
    return [score_mean(row, metric, values, bucket=bucket) for bucket, values in answered.items()]


def main() -> None:
    """Writes results/answer_by_hand.json, of the half that was put away."""
    parser = parser_of(__doc__)
    parser.add_argument("--part", choices=("develop", "kept"), default="kept")
    parser.add_argument("--encoders", nargs="+", default=["e5", "minilm"], help="the plan's, and the smaller")
    parser.add_argument("--show", action="store_true", help="print each answer with its label")
    bench = begin(parser, canary={"part": "develop", "encoders": ["minilm"]}, no_key=["show"])
    given = bench.given
    asked = read_questions(given.part)
    rows: list[Score] = []
    for encoder in given.encoders:
        # A run keeps its own stages, keyed by all that made them.
        place = (given.work or HERE.parent / "build" / "answer_by_hand") / encoder
        for questions in (True,) if given.canary else (True, False):
            name = encoder if questions else f"{encoder}, a shop without questions"
            answerer, shop = fitted(encoder, place, questions=questions)
            sys.stdout.write(f"== {name}\n{_brief(answerer.log)}\n")
            rows += measure(answerer, asked, name, given.show)
            rows += measure_untold(answerer, shop, given.part, name, given.show)
    bench.write(rows, [0])
    for score in rows:
        if score.bucket == "all":
            sys.stdout.write(
                f"{score.row:40} {score.metric:26} {score.value:.3f} {score.low:.3f}-{score.high:.3f}\n"
            )


def _brief(log: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in log.items() if key != "ranker"}


if __name__ == "__main__":
    main()
