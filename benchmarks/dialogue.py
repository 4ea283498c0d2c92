"""Forty conversations with the demo shop, written before any code: how many turns are right.

    python benchmarks/dialogue.py --part dev --show --out build/rehearsals
    python benchmarks/dialogue.py

`questions/dialogues.jsonl` says of every turn which tools will do, which products must be in focus or shown,
and which facts the reply must hold. Half of it ('dev') was looked at while working, the other half ('kept')
was asked once, at the end. A turn is right when tool, products and facts are. Turns go on from what was
really said before, right or wrong, as with a customer. Beside it, a baseline without a memory: each turn
alone, a question to `answer` and all else to `search`.

`T2#1` is the first product that the second turn showed, `T2#min` the cheapest, `T2#last` the last; a fact
`{T2#1.weight}` is looked up in the shop's tables; `aspect:sound` is any sentence of customers about it. Of a
list that has to be of a kind the first and at least half must be, and all must keep to its bounds.
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench import begin, parser_of
from keeping import Store
from remembering import Remembering

from retailor.dialogue.planner import respond
from retailor.dialogue.shapes import Reply, State
from retailor.errors import RetailorError
from retailor.metrics.interval import score_mean
from retailor.metrics.scores import Score
from retailor.models.weights import load_model
from retailor.plan.settings import read_plan
from retailor.retrieval.tokens import content_words
from retailor.serve.service import Service
from retailor.serve.settings import ServeSettings
from retailor.shop.demo.shop import demo_shop, demo_truth
from retailor.shop.demo.words_en import ENGLISH
from retailor.shop.demo.words_zh import CHINESE
from retailor.tasks.answer.question import kinds
from retailor.tasks.answer.shapes import AnswerQuery
from retailor.tasks.registry import TASKS
from retailor.tasks.search.shapes import SearchQuery
from retailor.text.clean_shop import clean

HERE = Path(__file__).parent
DIALOGUES = HERE / "questions" / "dialogues.jsonl"
SIZE = 300
_ATTRIBUTES = {
    "material": ("Material", "材质"),
    "colour": ("Colour", "颜色"),
    "weight": ("Item weight", "重量"),
    "model": ("Model number", "型号"),
    "warranty": ("Warranty", "质保"),
}


@dataclass(frozen=True)
class Said:
    """What a system gave for a turn, in a form that every system has."""

    text: str
    tools: tuple[str, ...]
    shown: tuple[str, ...] = ()
    focus: str | None = None
    known: bool = True
    summary: str | None = None
    item_asked: str | None = None


@dataclass
class Judge:
    """Which parts of a turn are right. The shop's tables say what a right fact is."""

    items: Mapping[str, Mapping[str, Any]]
    kinds: Mapping[str, str]
    themes: Mapping[str, str]
    shown: dict[int, tuple[str, ...]] = field(default_factory=dict)

    def wrong(self, number: int, turn: Mapping[str, Any], said: Said) -> list[str]:
        """What is wrong with the turn, [] for a right one."""
        self.shown[number] = said.shown
        faults = [] if self._tool(turn, said) else [f"tool {said.tools} for {turn['tool']}"]
        if turn.get("handover") and said.summary is None:
            faults.append("no hand-over")
        if not turn.get("handover") and said.summary is not None and "handover" not in turn["tool"]:
            faults.append("a hand-over")
        if turn.get("unknown") and said.known:
            faults.append("claims to know")
        if turn.get("no_item") and said.item_asked is not None:
            faults.append("asked of a product")
        if "focus" in turn and self._item(turn["focus"]) != said.focus:
            faults.append(f"focus {said.focus} for {self._item(turn['focus'])}")
        if not set(turn.get("items", ())) <= set(said.shown):
            faults.append(f"items {said.shown} for {turn['items']}")
        faults += self._list(turn["shown"], said.shown) if "shown" in turn else []
        for group in turn.get("facts", ()):
            if not any(self._told(each, said.text) for each in group):
                faults.append(f"no {group}")
        for group in turn.get("summary", ()):
            if not any(each in (said.summary or "") for each in group):
                faults.append(f"summary without {group}")
        return faults

    def _tool(self, turn: Mapping[str, Any], said: Said) -> bool:
        used = said.tools or (("handover",) if said.summary is not None else ("talk",))
        if turn.get("handover") and said.summary is not None:
            return True
        return used[-1] in turn["tool"]

    def _item(self, place: str) -> str | None:
        match = re.fullmatch(r"T(\d+)#(\w+)", place)
        if match is None:
            return place
        shown = self.shown.get(int(match[1]), ())
        if match[2] in ("min", "max"):
            priced = [(self.items[each]["price"], each) for each in shown if self.items[each]["price"]]
            return ((min if match[2] == "min" else max)(priced))[1] if priced else None
        ix = {"last": len(shown) - 1, "prev": len(shown) - 2}.get(match[2])
        ix = int(match[2]) - 1 if ix is None else ix
        return shown[ix] if 0 <= ix < len(shown) else None

    def _told(self, fact: str, text: str) -> bool:
        if fact.startswith("aspect:"):
            return any(each in text for each in sentences_about(fact.removeprefix("aspect:")))
        match = re.fullmatch(r"\{(.+)\.(\w+)\}", fact)
        wanted = fact if match is None else self._fact(self._item(match[1]), match[2])
        if wanted is None:
            return False
        if match and match[2] == "price":
            numbers = {float(each) for each in re.findall(r"\d+(?:\.\d+)?", text.replace(",", ""))}
            return float(wanted) in numbers
        before = r"(?<![\d.])" if wanted[0].isdigit() else ""
        return re.search(before + re.escape(wanted), text, re.IGNORECASE) is not None

    def _fact(self, item_id: str | None, name: str) -> str | None:
        item = self.items.get(item_id or "")
        if item is None:
            return None
        if name == "price":
            return None if item["price"] is None else str(item["price"])
        own = {pair["name"]: pair["value"] for pair in item["attributes"]}
        if name == "special":
            known = {each for names in _ATTRIBUTES.values() for each in names}
            return next(value for each, value in own.items() if each not in known)
        return next((own[each] for each in _ATTRIBUTES[name] if each in own), None)

    def _list(self, asked: Mapping[str, Any], shown: Sequence[str]) -> list[str]:
        if not shown:
            return ["nothing shown"]
        faults = []
        right = [self._of_kind(asked, each) for each in shown]
        if not right[0] or 2 * sum(right) < len(right):
            faults.append(f"kinds {[self.kinds[each] for each in shown]}")
        for each in shown:
            faults += [f"{each}: {name}" for name in self._bounds(asked, self.items[each], each)]
        if asked.get("ascending"):
            prices = [self.items[each]["price"] or 1e9 for each in shown]
            faults += [] if prices == sorted(prices) else ["order"]
        return faults

    def _of_kind(self, asked: Mapping[str, Any], item_id: str) -> bool:
        return asked.get("kind") in (None, self.kinds[item_id]) and asked.get("theme") in (
            None,
            self.themes[item_id],
        )

    def _bounds(self, asked: Mapping[str, Any], item: Mapping[str, Any], item_id: str) -> list[str]:
        price, faults = item["price"], []
        if "max" in asked and not (price is not None and price <= asked["max"]):
            faults.append(f"price {price}")
        if "min" in asked and not (price is not None and price >= asked["min"]):
            faults.append(f"price {price}")
        if "cheaper_than" in asked:
            beside = self.items[self._item(asked["cheaper_than"]) or ""]["price"]
            faults += (
                [] if price is not None and beside and price < beside else [f"price {price} to {beside}"]
            )
        for name in ("colour", "material", "special"):
            if name in asked and self._fact(item_id, name) not in asked[name]:
                faults.append(f"{name} {self._fact(item_id, name)}")
        title = item["title"]
        if "brand" in asked and asked["brand"] not in (item["brand"] or title):
            faults.append("brand")
        if "not_brand" in asked and asked["not_brand"] in (item["brand"] or title):
            faults.append("brand")
        if "rating" in asked and (item["rating"] or 0) < asked["rating"]:
            faults.append(f"stars {item['rating']}")
        if item_id in [self._item(each) for each in asked.get("without", ())]:
            faults.append("shown again")
        return faults


def sentences_about(aspect: str) -> list[str]:
    """What the simulated customers write of an aspect, in both languages."""
    themes = [theme for language in (ENGLISH, CHINESE) for theme in language.themes]
    aspects = [*ENGLISH.aspects, *CHINESE.aspects, *(each for theme in themes for each in theme.aspects)]
    told = [said for each in aspects if each.key == aspect for said in (*each.good, *each.bad)]
    return [said.rstrip(".!。！") for said in told]


def read_dialogues(part: str) -> list[dict[str, Any]]:
    """The dialogues of 'dev' or 'kept', in the file's order."""
    rows = [json.loads(line) for line in DIALOGUES.read_text(encoding="utf-8").splitlines()]
    return [row for row in rows if row["part"] == part]


def planned(service: Service, says: Sequence[str]) -> list[Said]:
    """Our planner over a conversation."""
    state, found = State(), []
    for each in says:
        reply: Reply = respond(each, state, service)
        state = reply.state
        item_asked = reply.calls[-1].arguments.get("item_id") if reply.calls else None
        summary = None if reply.handover is None else reply.handover.summary
        found.append(
            Said(reply.text, reply.tools, reply.items, state.focus, reply.known, summary, item_asked)
        )
    return found


def alone(service: Service, says: Sequence[str]) -> list[Said]:
    """The baseline: each turn by itself."""
    return [_alone(service, each) for each in says]


def _alone(service: Service, said: str) -> Said:
    asks = kinds.asked(said) or re.search(r"[?？吗]", said)
    try:
        if asks or not content_words(said):
            answer = service.ask("answer", AnswerQuery(said)).answer
            focus = answer.evidence[0].item_id if answer.evidence and answer.known else None
            return Said(answer.text, ("answer",), (), focus, answer.known)
        found = service.ask("search", SearchQuery(said, 5)).answer
        ids = tuple(each.item_id for each in found.items)
        text = "\n".join(f"{each} {service.details(each)['price']}" for each in ids)
        return Said(text, ("search",), ids, ids[0] if ids else None)
    except RetailorError as error:
        return Said(str(error), ())


SYSTEMS = {"each turn alone": alone, "retailor": planned}


def served(store: Store, encoder: str, tasks: Sequence[str]) -> Service:
    """A service of the tasks, fitted on the demo shop with the settings of its plan."""
    sections = read_plan(HERE.parent / "plans" / "demo.toml").sections

    def make(folder: Path, work: Path) -> None:
        shop = clean(demo_shop(SIZE))
        shop.save(folder / "served" / "clean")
        opened = Remembering(load_model(encoder))
        for kind in tasks:
            task = TASKS[kind].make(opened, None, sections[kind])
            task.fit(shop, work=work / kind).save(folder / "served" / kind)

    return Service.load(store.folder("shop", make) / "served", TASKS, ServeSettings())


def measure(service: Service, row: str, part: str, show: bool) -> list[Score]:
    """The share of turns that are right, by language and in all; of dialogues too."""
    started = time.perf_counter()
    truth = demo_truth(SIZE)
    right: dict[str, list[bool]] = {"en": [], "zh": []}
    whole: list[bool] = []
    for dialogue in read_dialogues(part):
        items = {each: service.details(each) for each in truth.themes}
        judge = Judge(items, truth.products, truth.themes)
        replies = SYSTEMS[row](service, [turn["say"] for turn in dialogue["turns"]])
        faults = [
            judge.wrong(n, turn, said)
            for n, (turn, said) in enumerate(zip(dialogue["turns"], replies, strict=True), 1)
        ]
        right[dialogue["language"]] += [not each for each in faults]
        whole.append(not any(faults))
        if show:
            _show(dialogue, replies, faults)
    seconds = time.perf_counter() - started
    cases = {"all": [*right["en"], *right["zh"]], **right}
    scores = [score_mean(row, "turns right", v, bucket=b, seconds=seconds) for b, v in cases.items()]
    return [*scores, score_mean(row, "dialogues right", whole, bucket="all", seconds=seconds)]


def _show(dialogue: Mapping[str, Any], replies: Sequence[Said], faults: Sequence[Sequence[str]]) -> None:
    for turn, said, wrong in zip(dialogue["turns"], replies, faults, strict=True):
        sys.stdout.write(f"{dialogue['id']} {'WRONG' if wrong else 'ok   '} > {turn['say']}\n")
        sys.stdout.write(f"      {said.tools} focus={said.focus}: {said.text[:700]!r}\n")
        if wrong:
            sys.stdout.write(f"      !! {'; '.join(wrong)[:400]}\n")


def main() -> None:
    """Writes results/dialogue.json."""
    parser = parser_of(__doc__)
    parser.add_argument("--part", choices=("dev", "kept"), default="kept")
    parser.add_argument("--encoder", default="e5")
    parser.add_argument("--tasks", nargs="+", default=["search", "answer", "recommend"])
    parser.add_argument("--show", action="store_true", help="print each turn with its faults")
    bench = begin(
        parser,
        canary={"part": "dev", "encoder": "minilm", "tasks": ["search", "answer"]},
        no_key=["show", "part"],
    )
    given = bench.given
    service = served(bench.store, given.encoder, given.tasks)
    rows = [score for row in SYSTEMS for score in measure(service, row, given.part, given.show)]
    service.close()
    bench.write(rows, [0])
    for score in rows:
        sys.stdout.write(
            f"{score.row:18} {score.metric:16} {score.bucket:4} {score.value:.3f} "
            f"{score.low:.3f}-{score.high:.3f} n={score.n}\n"
        )


if __name__ == "__main__":
    main()
