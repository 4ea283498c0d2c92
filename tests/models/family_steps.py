# ruff: noqa: E501 (a table)
"""What is tried with each family of models, and the page that tells what came out.

`python -m tests.models.family_steps > docs/families.md`
"""

from __future__ import annotations

import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch

from retailor.compress.onnx import compress
from retailor.compress.settings import CompressSettings
from retailor.errors import RetailorError
from retailor.models.local import LocalEncoder, LocalGenerator
from retailor.models.pictures.opening import open_pictures
from retailor.models.weights import load_model
from retailor.tasks.review.learning.tune import Pair, tune
from retailor.testing.models import SAMPLE
from retailor.train.adapt import AdaptSettings, adapt
from retailor.train.loop import TrainSettings, train
from tests.models.families import FAMILIES, Family

TOLERANCE = 1e-4
TEXTS = [*SAMPLE, "mug", "杯", "", "lamp " * 90, "A Red MUG is not a red mug"]
PROMPTS = ["A red mug", "Mug?", "质量很好，", "lamp " * 3]
ONE = TrainSettings(max_steps=1, batch_size=4)
QUICK = CompressSettings(weights="float32", n_speed=1, n_parity=8, rounds=1)
STEPS = ("load", "same", "save", "opens", "adapt", "fit", "compress")
SLOW = ("adapt", "fit", "compress")


class Tried:
    """A family whose folder was written, and what was loaded from it."""

    def __init__(self, family: Family, place: Path) -> None:
        self.family, self.place, self.folder = family, place, place / "model"
        family.write(self.folder)
        self.model: Any = None

    def load(self) -> None:
        if self.family.kind == "pictures":
            self.model = open_pictures(self.folder)
            return
        self.model = load_model(self.folder, kind=self.asked)
        if hasattr(self.model, "precision"):
            self.model.precision = "32"

    @property
    def asked(self) -> Any:
        return "generator" if self.family.kind == "generator" else "encoder"

    def same(self) -> None:
        """As the reference library has it, from the folder as it came."""
        near(self.ours(self.model), reference(self.family, self.folder))

    def save(self) -> None:
        self.model.save(self.place / "saved")
        again = (
            open_pictures(self.place / "saved")
            if self.family.kind == "pictures"
            else load_model(self.place / "saved")
        )
        near(self.ours(again), self.ours(self.model))

    def opens(self) -> None:
        """What was saved, in the reference library alone."""
        near(self.ours(self.model), reference(self.family, self.place / "saved"))

    def adapt(self) -> None:
        settings = AdaptSettings(train=ONE, head_steps=1, max_tokens=32, keep=0.0)
        made = adapt(self.model, [f"{text} {i}" for i, text in enumerate([*SAMPLE, *SAMPLE])], settings)
        assert not np.allclose(flat(self.model.network), flat(made.network)) or made is not self.model
        made.save(self.place / "adapted")
        near(self.ours(load_model(self.place / "adapted")), self.ours(made))

    def fit(self) -> str | None:
        """A step of a task's training moves the weights, and what it made opens again."""
        if self.family.kind == "static":
            return "frozen"  # tasks are fitted over its vectors
        made = fitted_encoder(self.model) if self.asked == "encoder" else fitted_generator(self.model)
        assert not np.array_equal(flat(self.model.network), flat(made.network))
        made.save(self.place / "fitted")
        near(self.ours(load_model(self.place / "fitted")), self.ours(made))
        return None

    def compress(self) -> None:
        report = compress(self.model, self.place / "small", texts=TEXTS, settings=QUICK)
        assert report.parity.cosine_min > 0.999, report
        np.testing.assert_allclose(
            load_model(self.place / "small").encode(TEXTS), self.model.encode(TEXTS), atol=0.03
        )

    def ours(self, model: Any) -> list[Any]:
        """What is compared: vectors of both roles, or texts and likelihoods."""
        if hasattr(model, "precision"):
            model.precision = "32"
        if self.family.kind == "pictures":
            return [model.encode_pictures(pictures()), model.encode(["a red mug", "红 mug a a"])]
        if self.asked == "encoder":
            return [model.encode(TEXTS, role="query"), model.encode(TEXTS, role="passage")]
        assert isinstance(model, LocalGenerator)
        return [
            model.generate(PROMPTS, max_tokens=6),
            [model.mean_loss([text], max_tokens=48) for text in SAMPLE],
        ]


def near(found: list[Any], expected: list[Any]) -> None:
    for one, other in zip(found, expected, strict=True):
        if isinstance(one, list) and isinstance(one[0], str):
            assert one == other
        else:
            np.testing.assert_allclose(one, other, atol=TOLERANCE)


def flat(network: Any) -> Any:
    return torch.cat([each.detach().flatten() for each in network.parameters()]).numpy()


def pictures() -> list[Any]:
    return [np.random.default_rng(0).integers(0, 255, (32, 32, 3), np.uint8) for _ in range(3)]


# one step of training -----------------------------------------------------------------------------


def fitted_encoder(model: LocalEncoder) -> LocalEncoder:
    made = model.copy()

    def loss(network: Any, batch: Any) -> torch.Tensor:
        vectors = made._vectors(network, batch)
        return (vectors - vectors.mean(0)).square().mean()

    train(made.network, TEXTS[:8], lambda some: made.tokens(list(some)), loss, ONE)
    return made


def fitted_generator(model: LocalGenerator) -> Any:
    pairs = [Pair("Write a review.", text) for text in SAMPLE]
    return tune(model, pairs, pairs[:2], ONE, rank=2, alpha=4, max_tokens=32, work=None)[0]


# the reference ------------------------------------------------------------------------------------


def reference(family: Family, folder: Path) -> list[Any]:
    """The same from transformers, sentence-transformers, model2vec or PEFT."""
    if family.kind == "pictures":
        return of_pictures(folder)
    if family.kind == "static":
        from model2vec import StaticModel

        judge = StaticModel.from_pretrained(str(folder), normalize=True)
        judge.embedding = judge.embedding.astype(np.float32)  # in float16 its own sums are off by 1e-4
        rows = judge.encode(TEXTS)
        return [rows, rows]
    return of_encoder(folder) if family.kind == "encoder" else of_generator(folder)


def of_encoder(folder: Path) -> list[Any]:
    from sentence_transformers import SentenceTransformer

    judge = SentenceTransformer(str(folder), device="cpu")
    prompts = [judge.prompts.get(name) or "" for name in ("query", "document")]
    return [judge.encode(TEXTS, prompt=prompt, normalize_embeddings=True) for prompt in prompts]


def of_generator(folder: Path) -> list[Any]:
    """One prompt at a time, so that nothing is padded."""
    from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(
        folder if (folder / "tokenizer.json").exists() else base_of(folder)
    )
    network: Any
    if (folder / "adapter_config.json").exists():
        import peft

        base = AutoModelForCausalLM.from_pretrained(base_of(folder))
        network = peft.PeftModel.from_pretrained(base, str(folder)).eval()
    else:
        import json

        seq2seq = json.loads((folder / "config.json").read_text()).get("is_encoder_decoder")
        network = (AutoModelForSeq2SeqLM if seq2seq else AutoModelForCausalLM).from_pretrained(folder).eval()
    seq2seq = network.config.is_encoder_decoder
    said = []
    for prompt in PROMPTS:
        ids = prompt_of(tokenizer, prompt, seq2seq)
        with torch.no_grad():
            made = network.generate(
                input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=6, do_sample=False,
                num_beams=1, pad_token_id=tokenizer.pad_token_id or tokenizer.eos_token_id,
            )  # fmt: skip
        new = made[0, 1:] if seq2seq else made[0, ids.shape[1] :]
        said.append(tokenizer.decode(new, skip_special_tokens=True).strip())
    return [said, [loss_of(network, tokenizer, text, seq2seq) for text in SAMPLE]]


def base_of(folder: Path) -> Path:
    return folder.parent / f"{folder.name}-base"


def prompt_of(tokenizer: Any, prompt: str, seq2seq: bool) -> torch.Tensor:
    if tokenizer.chat_template:
        made = tokenizer.apply_chat_template(
            [{"role": "user", "content": prompt}],
            add_generation_prompt=True,
            return_tensors="pt",
            return_dict=True,
        )
        return made["input_ids"]  # type: ignore[no-any-return]
    ids = tokenizer(prompt, return_tensors="pt")["input_ids"]
    return ids if seq2seq or ids[0, -1] != tokenizer.eos_token_id else ids[:, :-1]


def loss_of(network: Any, tokenizer: Any, text: str, seq2seq: bool) -> float:
    """The mean negative log-likelihood a token, as the network's own loss has it."""
    if seq2seq:
        given = {"input_ids": tokenizer("", return_tensors="pt")["input_ids"].long(),
                 "labels": tokenizer(text_target=text, return_tensors="pt")["input_ids"]}  # fmt: skip
    else:
        start = tokenizer.eos_token_id if tokenizer.bos_token_id is None else tokenizer.bos_token_id
        raw = tokenizer(text, add_special_tokens=False)["input_ids"]
        ids = torch.tensor([[start, *raw, tokenizer.eos_token_id][:48]])
        given = {"input_ids": ids, "labels": ids}
    with torch.no_grad():
        return float(network(**given).loss)


def of_pictures(folder: Path) -> list[Any]:
    import transformers

    network: Any = transformers.AutoModel.from_pretrained(folder).eval()
    scaled = (np.stack(pictures()) / 255 - [0.4, 0.5, 0.6]) / [0.2, 0.3, 0.4]
    pixels = torch.from_numpy(scaled.astype(np.float32).transpose(0, 3, 1, 2))
    tokens = transformers.AutoTokenizer.from_pretrained(folder)(
        ["a red mug", "红 mug a a"], return_tensors="pt", truncation=True, max_length=16,
        padding="max_length" if network.config.model_type == "siglip" else True,
    )  # fmt: skip
    with torch.no_grad():
        both = (
            network.get_image_features(pixel_values=pixels),
            network.get_text_features(input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"]),
        )
    return [torch.nn.functional.normalize(getattr(one, "pooler_output", one), dim=-1).numpy() for one in both]


# the page -----------------------------------------------------------------------------------------

HEADS = {
    "load": "loads", "same": "same as the reference", "save": "saved, opens the same",
    "opens": "opens without Retailor", "adapt": "adapts", "fit": "fits", "compress": "compresses",
}  # fmt: skip
TOP = """# Families of models

Made by `python -m tests.models.family_steps > docs/families.md`, which tries each with a tiny random network of the true architecture, in a folder as the family's own
tools write it; tests keep it true. **Same as the reference**: vectors of queries and passages (or texts and likelihoods, and vectors of pictures) are those of
sentence-transformers, transformers, PEFT or model2vec from the same folder to 1e-4, padded batches, long and empty texts among them. **Opens without Retailor**: what
Retailor saved gives the same there. **Adapts** and **fits** are one step of each, saved and opened again. Pictures are fitted by `models.pictures` ([pictures](pictures.md)).
"""


def tried(family: Family, place: Path, steps: tuple[str, ...] = STEPS) -> dict[str, str]:
    """Step to 'yes', or to the message of the clear error that it ends in. Anything else is raised."""
    found: dict[str, str] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        one = Tried(family, place)
        for step in steps:
            if family.kind == "pictures" and step in SLOW:
                continue
            try:
                found[step] = getattr(one, step)() or "yes"
            except RetailorError as error:
                found[step] = str(error).replace(f"{place}/", "").replace(str(place), "")
                if step == "load":
                    break
    return found


def cell(result: str | None) -> str:
    """What the table says of one step."""
    return "–" if result is None else result if len(result) < 10 else "no"


def page(found: dict[str, dict[str, str]]) -> str:
    """The table, and below it why something cannot be."""
    lines = [
        TOP,
        f"| family | such as | particular | {' | '.join(HEADS.values())} |",
        "|---" * (3 + len(HEADS)) + "|",
    ]
    reasons: dict[str, list[str]] = {}
    for family in FAMILIES:
        results = found[family.name]
        cells = " | ".join(cell(results.get(step)) for step in HEADS)
        lines.append(f"| {family.name} | {family.known} | {family.note} | {cells} |")
        for step, result in results.items():
            if cell(result) == "no":
                reasons.setdefault(result, []).append(f"{family.name} ({HEADS[step]})")
    lines += ["", "## What cannot be, because", ""]
    lines += [f"- {', '.join(names)}: {reason}" for reason, names in reasons.items()]
    return "\n".join(lines) + "\n"


def cells_of(text: str) -> dict[str, dict[str, str]]:
    """Family to step to cell, as a page has them."""
    rows = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("| ")][1:]
    return {row[0].strip(): dict(zip(HEADS, (each.strip() for each in row[3:]), strict=True)) for row in rows}


def main() -> None:
    found = {}
    for family in FAMILIES:
        with tempfile.TemporaryDirectory() as folder:
            found[family.name] = tried(family, Path(folder))
        print(family.name, found[family.name], file=sys.stderr, flush=True)
    print(page(found), end="")


if __name__ == "__main__":
    main()
