# ruff: noqa: E501 (a table)
"""Families of models: a tiny random network of each true architecture, in a folder as others write it."""

from __future__ import annotations

import json
import math
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from retailor.testing.models import SAMPLE, tiny_decoder, tiny_encoder, tiny_seq2seq
from tests.models.test_pictures import tiny_clip

Write = Callable[[Path], None]
_WIDTH = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}


@dataclass(frozen=True)
class Family:
    """One row of the table."""

    name: str
    known: str
    """Models that are of it."""
    kind: str
    """'encoder', 'generator', 'pictures' or 'static'."""
    write: Write
    """Writes a folder as the family's own tools do."""
    note: str = ""
    """What is particular about it, and honoured."""


# tokenizers, each of the family's own class -------------------------------------------------------


def _wordpiece_vocab(marks: list[str]) -> dict[str, int]:
    words = Counter(word for text in SAMPLE for word in text.lower().split())
    letters = sorted({letter for word in words for letter in word})
    pieces = dict.fromkeys([*marks, *letters, *(f"##{letter}" for letter in letters), *sorted(words)])
    return {piece: i for i, piece in enumerate(pieces)}


def _bpe(marks: list[str]) -> tuple[dict[str, int], list[Any]]:
    """Byte-level pieces and merges of the sample texts."""
    from tokenizers import ByteLevelBPETokenizer

    made = ByteLevelBPETokenizer()
    made.train_from_iterator(
        SAMPLE, vocab_size=400, min_frequency=2, special_tokens=marks, show_progress=False
    )
    model = json.loads(made.to_str())["model"]
    return model["vocab"], [tuple(pair) for pair in model["merges"]]


def _unigram(marks: list[str]) -> list[tuple[str, float]]:
    counts = Counter("▁")
    for text in SAMPLE:
        for word in text.split():
            counts.update([f"▁{word}", *word])
    total = counts.total()
    return [
        *((mark, 0.0) for mark in marks),
        *((piece, math.log(n / total)) for piece, n in sorted(counts.items())),
    ]


def _bert(**more: Any) -> Any:
    from transformers import BertTokenizer

    return BertTokenizer(vocab=_wordpiece_vocab(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]), **more)


def _mpnet() -> Any:
    from transformers import MPNetTokenizer

    return MPNetTokenizer(vocab=_wordpiece_vocab(["<s>", "<pad>", "</s>", "[UNK]", "<mask>"]))


def _roberta() -> Any:
    from transformers import RobertaTokenizer

    vocab, merges = _bpe(["<s>", "<pad>", "</s>", "<unk>", "<mask>"])
    return RobertaTokenizer(vocab=vocab, merges=merges)


def _xlm_roberta() -> Any:
    from transformers import XLMRobertaTokenizer

    return XLMRobertaTokenizer(vocab=[*_unigram(["<s>", "<pad>", "</s>", "<unk>"]), ("<mask>", 0.0)])


def _deberta() -> Any:
    from transformers import DebertaV2Tokenizer

    return DebertaV2Tokenizer(vocab=_unigram(["[PAD]", "[CLS]", "[SEP]", "[UNK]", "[MASK]"]))


def _t5() -> Any:
    return tiny_seq2seq().tokenizer


def _template(tokenizer: Any, single: str, marks: list[str]) -> Any:
    """The tokenizer, which puts marks around a text."""
    from tokenizers.processors import TemplateProcessing

    known = [(mark, tokenizer.convert_tokens_to_ids(mark)) for mark in marks]
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(single=single, special_tokens=known)
    return tokenizer


def _fast(single: str = "$A", padding_side: str = "right", **marks: str) -> Any:
    """Byte-level pieces in the general class, as ModernBERT, Llama 3 and SmolLM have them."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    names = list(dict.fromkeys(marks.values()))
    vocab, merges = _bpe(names)
    made = Tokenizer(models.BPE(vocab=vocab, merges=merges))
    made.pre_tokenizer, made.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(tokenizer_object=made, padding_side=padding_side, **marks)
    return _template(fast, single, [name for name in names if name in single])


def _qwen(single: str = "$A", padding_side: str = "left") -> Any:
    from transformers import Qwen2Tokenizer

    vocab, merges = _bpe(["<|endoftext|>", "<|im_start|>", "<|im_end|>"])
    made = Qwen2Tokenizer(vocab=vocab, merges=merges, padding_side=padding_side)
    return _template(made, single, ["<|endoftext|>"] if "<|endoftext|>" in single else [])


def _gpt2() -> Any:
    from transformers import GPT2Tokenizer

    vocab, merges = _bpe(["<|endoftext|>"])
    return GPT2Tokenizer(vocab=vocab, merges=merges)


def _bart() -> Any:
    from transformers import BartTokenizer

    vocab, merges = _bpe(["<s>", "<pad>", "</s>", "<unk>", "<mask>"])
    return BartTokenizer(vocab=vocab, merges=merges)


# encoders -----------------------------------------------------------------------------------------


def _seeded(make: Callable[[], Any]) -> Any:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        network = make().eval()
        with torch.no_grad():  # weights as they come from training: no bias is zero, no norm is one
            for parameter in network.parameters():
                parameter.add_(torch.randn_like(parameter) * 0.05)
    return network


def network_of(name: str, tokenizer: Any, base: str | None = None, **config: Any) -> Any:
    """A random network, by the names of its classes in transformers."""
    import transformers

    marks = {f"{m}_token_id": getattr(tokenizer, f"{m}_token_id") for m in ("pad", "bos", "eos")}
    given = {**_WIDTH, "vocab_size": len(tokenizer), "max_position_embeddings": 66, **marks, **config}
    made = getattr(transformers, f"{base or name.removesuffix('Model')}Config")(**given)
    return _seeded(lambda: getattr(transformers, name)(made))


def _plain(network: Callable[[Any], Any], tokenizer: Callable[[], Any]) -> Write:
    def write(folder: Path) -> None:
        made = tokenizer()
        made.model_max_length = 64
        network(made).save_pretrained(folder)
        made.save_pretrained(folder)

    return write


def _sentence(
    network: Callable[[Any], Any], tokenizer: Callable[[], Any], pooling: str = "mean", *, dense: bool = False,
    **settings: Any,
) -> Write:  # fmt: skip
    """A folder as sentence-transformers itself writes it."""

    def write(folder: Path) -> None:
        from sentence_transformers import SentenceTransformer
        from sentence_transformers.sentence_transformer.modules import Dense, Normalize, Pooling, Transformer

        _plain(network, tokenizer)(folder / "body")
        modules: list[Any] = [Transformer(str(folder / "body")), Pooling(32, pooling)]
        if dense:
            none: Any = torch.nn.Identity()
            layers = (Dense(32, 96, bias=False, activation_function=none),
                      Dense(96, 32, bias=False, activation_function=none))  # fmt: skip
            modules += [_seeded(lambda each=each: each) for each in layers]
        SentenceTransformer(modules=[*modules, Normalize()], device="cpu", **settings).save(str(folder))
        shutil.rmtree(folder / "body")

    return write


def _of(name: str, base: str | None = None, **config: Any) -> Callable[[Any], Any]:
    return lambda tokenizer: network_of(name, tokenizer, base, **config)


_QUERY = "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:"
_GEMMA = {"head_dim": 16, "num_key_value_heads": 1, "sliding_window": 16, "query_pre_attn_scalar": 16,
          "layer_types": ["sliding_attention", "full_attention"]}  # fmt: skip
_T5 = {"d_model": 32, "d_kv": 16, "d_ff": 64, "num_layers": 2, "num_heads": 2}
_E5 = {"prompts": {"query": "query: ", "document": "passage: "}}


def _remote_code(folder: Path) -> None:
    _plain(_of("BertModel"), _bert)(folder)
    path = folder / "config.json"
    config = {
        **json.loads(path.read_text()),
        "auto_map": {"AutoModel": "modeling.NewModel"},
        "model_type": "new",
    }
    path.write_text(json.dumps(config))


def _model2vec(folder: Path) -> None:
    from retailor.models.static import StaticEncoder

    StaticEncoder.of_pieces(tiny_encoder(), list(SAMPLE)).save(folder)
    from model2vec import StaticModel

    own = StaticModel.from_pretrained(str(folder))
    shutil.rmtree(folder)
    own.save_pretrained(str(folder))


ENCODERS = (
    Family("BERT", "bert-base, bert-base-chinese, paraphrase-…-MiniLM", "encoder",
           _plain(_of("BertModel"), _bert), "mean pooling, where the folder states none"),
    Family("RoBERTa", "all-distilroberta, chinese-roberta of its own class", "encoder",
           _sentence(_of("RobertaModel"), _roberta), "places counted from the padding id on"),
    Family("XLM-RoBERTa", "paraphrase-multilingual-…, bge-m3 (dense)", "encoder",
           _sentence(_of("XLMRobertaModel"), _xlm_roberta, "cls")),
    Family("DeBERTa-v3", "mdeberta-v3-base", "encoder",
           _sentence(_of("DebertaV2Model", relative_attention=True, position_buckets=16, pos_att_type=["p2c", "c2p"],
                         norm_rel_ebd="layer_norm", share_att_key=True, position_biased_input=False,
                         type_vocab_size=0), _deberta), "relative positions"),
    Family("MPNet", "all-mpnet-base-v2", "encoder", _sentence(_of("MPNetModel"), _mpnet)),
    Family("ModernBERT", "modernbert-embed, gte-modernbert", "encoder",
           _sentence(_of("ModernBertModel", cls_token_id=1, sep_token_id=2), lambda: _fast(
               "[CLS] $A [SEP]", pad_token="[PAD]", cls_token="[CLS]", sep_token="[SEP]", mask_token="[MASK]",
               unk_token="[UNK]"), "cls", prompts={"query": "search_query: ", "document": "search_document: "}),
           "local attention; nomic's prefixes"),
    Family("BGE", "bge-…-en-v1.5, bge-…-zh-v1.5", "encoder",
           _sentence(_of("BertModel"), _bert, "cls", prompts={"query": "为这个句子生成表示以用于检索相关文章：", "document": ""}),
           "first token; the instruction of queries alone"),
    Family("GTE", "gte-base, gte-large-zh", "encoder", _sentence(_of("BertModel"), _bert)),
    Family("GTE, multilingual", "the transformers class of gte-multilingual-base", "encoder",
           _sentence(_of("GteModel"), _xlm_roberta, "cls")),
    Family("GTE with code of its own", "gte-…-v1.5, as its folder is", "encoder", _remote_code),
    Family("E5", "multilingual-e5-small, -base, -large", "encoder", _sentence(_of("XLMRobertaModel"), _xlm_roberta, **_E5),
           "prefixes 'query: ' and 'passage: '"),
    Family("Qwen3-Embedding", "Qwen3-Embedding-0.6B", "encoder",
           _sentence(_of("Qwen3Model", head_dim=16, num_key_value_heads=1),
                     lambda: _qwen("$A <|endoftext|>"), "lasttoken", prompts={"query": _QUERY, "document": ""}),
           "last token, padding on the left, the instruction of queries"),
    Family("EmbeddingGemma", "embeddinggemma-300m", "encoder",
           _sentence(_of("Gemma3TextModel", use_bidirectional_attention=True, **_GEMMA),
                     lambda: _fast("<bos> $A <eos>", pad_token="<pad>", bos_token="<bos>", eos_token="<eos>",
                                   unk_token="<unk>"), dense=True,
                     prompts={"query": "task: search result | query: ", "document": "title: none | text: "}),
           "attention both ways, two Dense layers, prompts"),
    Family("Matryoshka", "any whose vectors may be cut: mxbai-embed, nomic-embed", "encoder",
           _sentence(_of("BertModel"), _bert, truncate_dim=8), "`truncate_dim`"),
    Family("T5's encoder", "sentence-t5, gtr-t5", "encoder",
           _sentence(_of("T5EncoderModel", "T5", **_T5), _t5), "no end of positions"),
    Family("mT5's encoder", "mt5-small", "encoder",
           _sentence(_of("MT5EncoderModel", "MT5", **_T5, feed_forward_proj="gated-gelu"), _t5)),
    Family("UMT5's encoder", "umt5-small", "encoder",
           _sentence(_of("UMT5EncoderModel", "UMT5", **_T5, feed_forward_proj="gated-gelu"), _t5)),
    Family("model2vec", "potion-base-8M, M2V_multilingual_output", "static", _model2vec, "a table of pieces"),
)  # fmt: skip


# generators ---------------------------------------------------------------------------------------


def _llama_marks() -> Any:
    return _fast("<s> $A", bos_token="<s>", eos_token="</s>", pad_token="<pad>")


def _chat(tokenizer: Callable[[], Any]) -> Callable[[], Any]:
    """With a chat template, as models that answer have one."""

    def make() -> Any:
        made = tokenizer()
        made.chat_template = (
            "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
            "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
        )
        return made

    return make


def _lora(folder: Path) -> None:
    import peft

    base = folder.parent / f"{folder.name}-base"
    tiny_decoder().save(base)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        config = peft.LoraConfig(target_modules="all-linear", task_type="CAUSAL_LM", init_lora_weights=False)
        made = peft.get_peft_model(tiny_decoder().network, config)  # type: ignore[arg-type]
        made.save_pretrained(str(folder))
    path = folder / "adapter_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "base_model_name_or_path": str(base)}))


_NARROW = {"num_key_value_heads": 1}
_GPT2 = {"n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 64}
_BART = {"d_model": 32, "encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": 2,
         "decoder_attention_heads": 2, "encoder_ffn_dim": 64, "decoder_ffn_dim": 64,
         "decoder_start_token_id": 2}  # fmt: skip
GENERATORS = (
    Family("GPT-2", "gpt2, distilgpt2, cerebras-gpt", "generator",
           _plain(_of("GPT2LMHeadModel", "GPT2", **_GPT2), _gpt2), "no padding token of its own"),
    Family("Llama", "Llama-3, TinyLlama, SmolLM, SmolLM2", "generator",
           _plain(_of("LlamaForCausalLM", "Llama", **_NARROW), _llama_marks)),
    Family("SmolLM3", "SmolLM3-3B", "generator",
           _plain(_of("SmolLM3ForCausalLM", "SmolLM3", **_NARROW), _llama_marks), "layers without positions"),
    Family("Qwen2", "Qwen2.5-0.5B-Instruct", "generator",
           _plain(_of("Qwen2ForCausalLM", "Qwen2", **_NARROW), _chat(_qwen)), "chat template"),
    Family("Qwen3", "Qwen3-0.6B", "generator",
           _plain(_of("Qwen3ForCausalLM", "Qwen3", head_dim=16, **_NARROW), _chat(_qwen))),
    Family("Gemma 2", "gemma-2-2b", "generator",
           _plain(_of("Gemma2ForCausalLM", "Gemma2", **_GEMMA), _llama_marks), "soft-capped logits, windows"),
    Family("Gemma 3", "gemma-3-1b-it", "generator",
           _plain(_of("Gemma3ForCausalLM", "Gemma3Text", **_GEMMA), _llama_marks), "windows"),
    Family("Phi", "phi-1.5, phi-2", "generator", _plain(_of("PhiForCausalLM", "Phi"), _llama_marks)),
    Family("Phi-3", "Phi-3-mini, Phi-4-mini", "generator",
           _plain(_of("Phi3ForCausalLM", "Phi3", **_NARROW), _llama_marks), "matrices in one"),
    Family("T5", "flan-t5-small", "generator", _plain(_of("T5ForConditionalGeneration", "T5", **_T5,
           decoder_start_token_id=0), _t5)),
    Family("mT5", "mt5-small", "generator", _plain(_of("MT5ForConditionalGeneration", "MT5", **_T5,
           feed_forward_proj="gated-gelu", decoder_start_token_id=0, tie_word_embeddings=False), _t5)),
    Family("BART", "bart-base, bart-base-chinese", "generator",
           _plain(_of("BartForConditionalGeneration", "Bart", **_BART), _bart)),
    Family("LoRA of others", "a PEFT adapter with its base", "generator", _lora, "merged into the base"),
)  # fmt: skip


# pictures -----------------------------------------------------------------------------------------


def _pictures(kind: str) -> Write:
    def write(folder: Path) -> None:
        tiny_clip(kind, folder)

    return write


PICTURES = tuple(
    Family(name, known, "pictures", _pictures(kind))
    for name, known, kind in (
        ("CLIP", "clip-vit-base-patch32", "clip"),
        ("SigLIP", "siglip-base-patch16-224", "siglip"),
        ("Chinese-CLIP", "chinese-clip-vit-base-patch16", "chinese_clip"),
    )
)
FAMILIES = (*ENCODERS, *GENERATORS, *PICTURES)
FAST = ("DeBERTa-v3", "E5", "Qwen3-Embedding", "EmbeddingGemma", "Matryoshka", "T5's encoder", "model2vec",
        "GTE with code of its own", "Llama", "Qwen2", "Gemma 3", "BART", "LoRA of others")  # fmt: skip
"""Tried in every run of the tests: where something could go wrong in silence."""
