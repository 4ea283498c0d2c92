from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

from retailor.errors import DataError, MissingTable, ModelError
from retailor.metrics.ranking import Ranked, graded_ranks
from retailor.shop.demo import demo_shop
from retailor.shop.tables import Shop
from retailor.tasks.answer import Answerer, AnswerSettings
from retailor.tasks.answer.evidence.features import FEATURES, is_yes_no
from retailor.tasks.answer.evidence.passages import passages, plain, sentences
from retailor.tasks.answer.question import kinds
from retailor.tasks.answer.question.dialogue import checked as checked_rewriting
from retailor.tasks.answer.question.dialogue import standalone
from retailor.tasks.answer.ranking.ranker import (
    Held,
    Listed,
    Ranker,
    caution_of,
    choose_ranker,
    folds_of,
)
from retailor.tasks.answer.ranking.scores import measures, risks
from retailor.tasks.answer.shapes import Answered, AnswerQuery, Evidence
from retailor.tasks.answer.worded import checked
from retailor.tasks.answer.wording import compose, unknown_text
from retailor.testing.models import tiny_decoder, tiny_encoder
from retailor.testing.tasks import TaskContract
from retailor.testing.toys import HashEncoder, ScriptedGenerator


class TestAnswererContract(TaskContract):
    baselines = ("bm25", "encoder")

    def shop(self) -> Shop:
        return demo_shop(60)

    def task(self) -> Answerer:
        return Answerer(HashEncoder())

    def queries(self) -> list[Any]:
        shop = demo_shop(60)
        rows = shop.questions.head(6).select("question", "item_id").iter_rows()
        return [AnswerQuery(*row) for row in rows] + [AnswerQuery("How heavy is the kettle?")]


def item(item_id: str, title: str, description: str, **attributes: str) -> dict[str, Any]:
    named = [{"name": name.replace("_", " "), "value": value} for name, value in attributes.items()]
    return {"item_id": item_id, "title": title, "description": description, "attributes": named}


ITEMS = [
    item("k1", "Brook steel kettle", "Boils fast.", Material="steel", Weight="1.2 kg", Cordless="yes"),
    item("t1", "Lumen cotton towel", "Soft. Dries fast after a bath.", Material="cotton", Weight="450 g"),
    item("s1", "Nilo wireless speaker", "Plays 12 hours. Not for rain.", Colour="black", Battery="included"),
    item("z1", "云岭不锈钢电热水壶", "三分钟烧开一升水。", 材质="不锈钢", 重量="1.1公斤"),
    item("z2", "青禾纯棉毛巾", "柔软亲肤。", 材质="棉", 颜色="米白"),
]  # fmt: skip
SHOP = Shop.of(items=pl.DataFrame(ITEMS))


@pytest.fixture(scope="module")
def answerer() -> Answerer:
    return Answerer(HashEncoder(128)).fit(SHOP)


def ask(answerer: Answerer, question: str, item_id: str | None = None, **more: Any) -> Answered:
    return answerer.predict([AnswerQuery(question, item_id, **more)])[0]


@pytest.mark.parametrize(
    ("question", "item_id", "text", "source"),
    [
        ("What is the material?", "t1", "Material: cotton.", "attribute"),
        ("What is the weight?", "k1", "Weight: 1.2 kg.", "attribute"),
        ("Is it cordless?", "k1", "Yes. Cordless: yes.", "attribute"),
        ("材质是什么？", "z2", "材质：棉。", "attribute"),
        ("重量是多少？", "z1", "重量：1.1公斤。", "attribute"),
    ],
)
def test_the_answer_is_a_field(
    answerer: Answerer, question: str, item_id: str, text: str, source: str
) -> None:
    answer = ask(answerer, question, item_id)
    assert (answer.known, answer.text) == (True, text)
    assert answer.evidence[0].source == source and answer.evidence[0].item_id == item_id
    assert {each.item_id for each in answer.evidence} == {item_id}


@pytest.mark.parametrize(
    ("question", "item_id"),
    [
        ("Does the founder still work there?", "k1"),
        ("Which opera singers recommend this?", "t1"),
        ("创始人还在公司上班吗？", "z1"),
    ],
)
def test_it_says_that_it_does_not_know(answerer: Answerer, question: str, item_id: str) -> None:
    answer = ask(answerer, question, item_id)
    assert not answer.known and answer.evidence == ()
    assert answer.text == unknown_text(question, item=True)


def test_an_unknown_item_has_no_answer(answerer: Answerer) -> None:
    answer = ask(answerer, "What is the material?", "nowhere")
    assert not answer.known and answer.confidence == 0.0


def test_without_a_page_the_item_is_found_first(answerer: Answerer) -> None:
    answer = ask(answerer, "What is the weight of the Lumen towel?")
    assert answer.known and answer.text == "Lumen cotton towel: Weight: 450 g."
    assert answer.evidence[0].item_id == "t1"
    assert ask(answerer, "云岭电热水壶的重量是多少？").evidence[0].text == "重量: 1.1公斤"


def test_a_follow_up_uses_the_history(answerer: Answerer) -> None:
    history = (("What material is the Brook kettle?", "Material: steel."),)
    assert ask(answerer, "and its weight?", history=history).evidence[0].text == "Weight: 1.2 kg"
    history = (("What is the weight of the Brook kettle?", "Weight: 1.2 kg."),)
    answer = ask(answerer, "and the Lumen towel?", history=history)
    assert answer.evidence[0].text == "Weight: 450 g"


@pytest.mark.parametrize(
    ("question", "earlier", "carried"),
    [
        ("and its weight?", "What material is the Brook kettle?", {"brook", "kettl"}),
        ("what about the red one?", "Is the towel washable?", {"washabl", "towel"}),
        ("How heavy is the Lumen towel?", "What material is the Brook kettle?", set()),
        ("那重量呢？", "云岭水壶是什么材质？", {"云岭"}),
    ],
)
def test_only_what_is_missing_is_carried_over(question: str, earlier: str, carried: set[str]) -> None:
    rewritten = standalone(question, ((earlier, "…"),))
    added = set(rewritten.removeprefix(question).split())
    assert rewritten.startswith(question)
    assert carried <= added if carried else not added


def test_a_generator_may_only_rewrite_with_words_that_were_said() -> None:
    history = (("What material is the Brook kettle?", "Steel."),)
    good = checked_rewriting("What is the weight of the Brook kettle?\nnoise", "and its weight?", history)
    assert good == "What is the weight of the Brook kettle?"
    assert checked_rewriting("What is the weight of the Acme toaster?", "and its weight?", history) is None
    assert checked_rewriting("What material is the kettle?", "and its weight?", history) is None


def test_a_made_up_number_is_refused_and_a_true_one_is_cited() -> None:
    made_up = Answerer(HashEncoder(128), ScriptedGenerator(["It weighs 3.5 kg [1]."])).fit(SHOP)
    assert ask(made_up, "What is the weight?", "k1").text == "Weight: 1.2 kg."
    true = Answerer(HashEncoder(128), ScriptedGenerator(["The weight is 1.2 kg."])).fit(SHOP)
    assert ask(true, "What is the weight?", "k1").text == "The weight is 1.2 kg. [1]"
    assert "[1] (attribute) Weight: 1.2 kg" in true.generator.prompts[0]  # type: ignore[union-attr]


EVIDENCE = (
    Evidence("Weight: 1.2 kg", "attribute", "k1", 1.0),
    Evidence("Made of steel.", "description", "k1", 0.5),
)


@pytest.mark.parametrize(
    ("text", "passes"),
    [
        ("It weighs 1.2 kg [1].", True),
        ("It is made of steel [2].", True),
        ("It weighs 1.2 lb [1].", False),
        ("It weighs 12 kg.", False),
        ("It is made of steel [3].", False),
        ("It is not made of steel.", False),
        ("It is a wonderful gift for grandmothers and sailors.", False),
        ("I do not know.", False),
        ("", False),
        ("[1]", False),
    ],
)
def test_the_grounding_check(text: str, passes: bool) -> None:
    found = checked(text, "How heavy is it?", EVIDENCE, max_new_words=0.2)
    assert (found is not None) == passes


def test_chinese_is_grounded_too() -> None:
    evidence = (Evidence("重量: 1.1公斤", "attribute", "z1", 1.0),)
    assert checked("重量是1.1公斤。", "多重？", evidence, max_new_words=0.2) == "重量是1.1公斤。 [1]"
    assert checked("重量是2公斤。", "多重？", evidence, max_new_words=0.2) is None


@pytest.mark.parametrize(
    ("question", "text", "source", "answer"),
    [
        ("Is it waterproof?", "Waterproof: false", "attribute", "No. Waterproof: false."),
        ("Is it made of cotton?", "Material: cotton", "attribute", "Yes. Material: cotton."),
        ("Is it made of leather?", "Material: cotton", "attribute", "Material: cotton."),
        ("Is it waterproof?", "It is not waterproof", "description", "It is not waterproof."),
        ("Is it waterproof?", "Fully waterproof.", "description", "Yes. Fully waterproof."),
        ("Is it waterproof?", "Waterproof if closed.", "description", "Waterproof if closed."),
        ("Isn't it waterproof?", "Fully waterproof.", "description", "Fully waterproof."),
        ("Is it good?", "I love it", "review", "A customer writes: “I love it.”"),
        ("好用吗？", "非常好用", "review", "有顾客写道：“非常好用。”"),
        ("防水吗？", "防水: 是", "attribute", "是的。防水：是。"),
    ],
)
def test_words_of_an_answer(question: str, text: str, source: str, answer: str) -> None:
    assert compose(question, Evidence(text, source, "x", 1.0)) == answer


def test_a_long_passage_is_quoted_by_its_best_sentence() -> None:
    text = (
        "Nothing of interest here at all. " * 10 + "The lid locks with a click. " + "More words follow. " * 5
    )
    quoted = compose("Does the lid lock?", Evidence(text, "description", "x", 1.0))
    assert quoted.endswith("The lid locks with a click.")


@pytest.mark.parametrize(
    "query", [AnswerQuery("  "), AnswerQuery("a" * 1001), AnswerQuery("ok", None, (("b" * 1001, ""),))]
)
def test_a_question_out_of_bounds_is_an_error(answerer: Answerer, query: AnswerQuery) -> None:
    with pytest.raises(DataError, match=r"empty|at most 1,000"):
        answerer.predict([query])


def test_what_cannot_be_fitted_or_saved_says_so(tmp_path: Any) -> None:
    with pytest.raises(ModelError, match="fit"):
        Answerer(HashEncoder()).save(tmp_path / "answer")
    with pytest.raises(MissingTable, match="'items', 'reviews' or 'questions'"):
        Answerer(HashEncoder()).fit(Shop.of(items=pl.DataFrame({"item_id": ["a"]})))


def test_more_caution_answers_less() -> None:
    shop = demo_shop(60)
    asked = [AnswerQuery(*row) for row in shop.questions.select("question", "item_id").iter_rows()]
    answerer, known = Answerer(HashEncoder()).fit(shop), []
    for caution in (0.1, 0.99, 0.999):  # the shop's own questions are answered by their own answers, surely
        answerer.settings = AnswerSettings(caution=caution)
        known.append(sum(answer.known for answer in answerer.predict(asked)))
    assert known[0] >= known[1] >= known[2] and known[0] > known[2]


def test_it_learns_from_evidence_from_answers_or_from_the_catalogue() -> None:
    shop = demo_shop(60)
    bare = shop.with_tables(questions=shop.questions.with_columns(evidence=pl.lit(None)))
    none = shop.with_tables(questions=shop.questions.head(0))
    learned = [Answerer(HashEncoder()).fit(each) for each in (shop, bare, none)]
    assert [each.log["n_questions"] > 0 for each in learned] == [True, True, False]
    assert all(0 <= each.log["learned_share"] <= 1 and each.log["n_made"] for each in learned)
    scores = learned[0].evaluate(shop)
    assert scores.value("retailor", "map") > scores.value("bm25", "map")
    assert {score.bucket for score in learned[2].evaluate(none)} == {"made questions"}


# the parts ------------------------------------------------------------------------------------------


def test_passages_of_a_shop() -> None:
    shop = Shop.of(
        items=pl.DataFrame(
            [item("a", "A", "<p>One. Two is here.</p><li>Three<li>Three", Size="2 m", Empty="")]
        ),
        reviews=pl.DataFrame(
            {"item_id": ["a", "a"], "text": ["Poor.", "Rich! Very rich."], "helpful": [None, 3]}
        ),
        questions=pl.DataFrame(
            {"question_id": ["q"], "item_id": ["a"], "question": ["Big?"], "answer": ["Yes"]}
        ),
    )
    table = passages(shop, max_per_item=50, max_review_sentences=2, max_chars=8)
    assert table.select("source", "text").rows() == [
        ("title", "A"),
        ("attribute", "Size: 2 "),
        ("description", "One."),
        ("description", "Two is h"),
        ("description", "Three"),
        ("answer", "Yes"),
        ("review", "Rich!"),
        ("review", "Very ric"),
    ]
    assert len(passages(shop, max_per_item=3, max_review_sentences=2, max_chars=8)) == 3


def test_sentences_of_both_languages() -> None:
    assert sentences("One 1.5 l. Two!<br>Three&amp;four") == ["One 1.5 l.", "Two!", "Three&four"]
    assert sentences("很好。很大！") == ["很好。", "很大！"]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("item_weight:  { unit:ounces, normalized_value:{ unit:pounds, value:0.53 }, value:8.48 }",
         "item weight: 8.48 ounces"),
        ('size:  { value:"ipad case" }', "size: ipad case"),
        ("is_electric:  { value:false }", "is electric: false"),
        ("Material: cotton", "Material: cotton"),
    ],
)  # fmt: skip
def test_nested_attributes_become_words(raw: str, expected: str) -> None:
    assert plain(raw) == expected


def test_what_a_question_asks_for() -> None:
    wants = kinds.wants_number
    assert wants("How many pieces?") and wants("有多长") and not wants("What colour?")
    assert is_yes_no("Is it red?") and is_yes_no("防水吗？") and not is_yes_no("What is it?")


def test_measures_of_a_list_are_those_worked_out_by_hand() -> None:
    ranked = Ranked.cases([graded_ranks([0.9, 0.8, 0.7, 0.1], [0, 1, 0, 1])])
    found = {metric: float(values[0]) for metric, values in measures(ranked).items()}
    assert found["map"] == pytest.approx((1 / 2 + 2 / 4) / 2)
    assert (found["mrr"], found["hit@1"]) == (0.5, 0.0)
    gained = 1 / np.log2(3) + 1 / np.log2(5)
    assert found["ndcg@5"] == pytest.approx(gained / (1 + 1 / np.log2(3)))


def test_risks_count_the_errors_among_the_surest() -> None:
    assert risks(np.array([0.1, 0.9, 0.5]), np.array([1.0, 1, 0])).tolist() == [0, 1 / 2, 1 / 3]


def toy_lists(rng: np.random.Generator, n: int) -> list[Listed]:
    """Lists whose second passage has the largest second feature and answers."""
    lists = []
    for _ in range(n):
        features = rng.standard_normal((4, len(FEATURES))).astype(np.float32)
        features[:, FEATURES.index("of_another_kind")] = 0
        features[1, 1] += 4
        lists.append(Listed(features, np.array([0, 1, 0, 0], dtype=np.float32)))
    return lists


def test_the_ranker_finds_the_feature_that_tells_and_is_calibrated() -> None:
    rng = np.random.default_rng(0)
    lists = toy_lists(rng, 200)
    folds = folds_of([str(i % 40) for i in range(200)], seed=0)
    ranker, how = choose_ranker(lists, folds, {"questions": Held(lists, folds)})
    assert how["learned_share"] > 0 and int(np.argmax(ranker.weights)) == 1
    logits = [ranker.logits(each.features) for each in toy_lists(rng, 400)]
    assert np.mean([np.argmax(each) == 1 for each in logits]) > 0.9
    sure = np.mean([ranker.confidence(float(each.max())) for each in logits])
    unsure = np.mean([ranker.confidence(float(np.delete(each, 1).max())) for each in logits])
    assert sure > 0.8 and unsure < 0.2
    assert Ranker.from_dict(ranker.to_dict()) == ranker


def test_what_loses_on_other_wordings_is_not_learned() -> None:
    # Learned from questions whose first feature tells; asked in other words, it tells nothing.
    rng = np.random.default_rng(1)
    told = [FEATURES.index("question_covered"), FEATURES.index("words")]
    misled, asked = [], []
    for _ in range(150):
        misled.append(_with_a_mark(rng, told[1]))
        asked.append(_with_a_mark(rng, told[0]))
    made = Held(asked, np.full(len(asked), -1))
    ranker, how = choose_ranker(misled, folds_of([str(i) for i in range(150)], seed=0), {"made": made})
    right = how["right_by_share"]
    assert right[0.0]["made"] > right[1.0]["made"]
    assert right[how["learned_share"]]["made"] == max(each["made"] for each in right.values())
    assert ranker.weights[told[0]] > 0


def _with_a_mark(rng: np.random.Generator, column: int) -> Listed:
    features = rng.standard_normal((4, len(FEATURES))).astype(np.float32) / 5
    features[:, FEATURES.index("of_another_kind")] = 0
    features[2, column] += 3
    return Listed(features, np.array([0, 0, 1, 0], dtype=np.float32))


def test_a_question_is_judged_by_what_was_learned_without_its_wording() -> None:
    groups = ["a", "b", "a", "c", "b", "d", "e", "f"]
    folds = folds_of(groups, seed=0)
    assert all(folds[i] == folds[j] for i in range(8) for j in range(8) if groups[i] == groups[j])
    assert len(set(folds.tolist())) == 5 and folds_of(["a", "a"], seed=0).tolist() == [-1, -1]


def test_real_models_travel_with_the_task(tmp_path: Any) -> None:
    texts = [row["title"] for row in ITEMS]
    fitted = Answerer(tiny_encoder(texts), tiny_decoder(texts)).fit(SHOP)
    fitted.save(tmp_path / "answer")
    loaded = Answerer.load(tmp_path / "answer")
    query = AnswerQuery("What is the material?", "t1")
    assert loaded.predict([query]) == fitted.predict([query])
    assert loaded.generator is not None


def test_a_generator_that_cannot_be_saved_is_left_out(tmp_path: Any) -> None:
    Answerer(HashEncoder(), ScriptedGenerator()).fit(SHOP).save(tmp_path / "answer")
    assert Answerer.load(tmp_path / "answer").generator is None


def test_the_bound_is_the_one_that_tells_best_what_has_an_answer() -> None:
    # Confidence is of the best passage being right; the two at .3 have an answer that is ranked lower.
    assert 0.1 < caution_of([0.9, 0.3, 0.3, 0.1, 0.05], [True, True, True, False, False]) < 0.3
    assert caution_of([0.9, 0.8], [True, True]) == 0.05
    assert caution_of([0.9, 0.8], [False, False]) == 0.95
    rng = np.random.default_rng(0)
    sure = rng.random(300)
    told = rng.random(300) < 0.2 + 0.8 * sure

    def right(bound: float) -> float:
        return float(np.mean(sure[told] >= bound) + np.mean(sure[~told] < bound))

    assert right(caution_of(sure, told)) >= max(map(right, np.linspace(0.05, 0.95, 181).tolist())) - 0.003
    few = np.flatnonzero(~told)[: told.sum() // 9]  # however few have none, they count as much
    some = np.concatenate([np.flatnonzero(told), few])
    assert caution_of(sure[some], told[some]) > 0.4
