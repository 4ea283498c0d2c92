"""Whether a config is that of an encoder or of a generator."""

from __future__ import annotations

from typing import Any, Literal

Kind = Literal["encoder", "generator"]
DECODERS = (
    "gpt2", "gpt_neo", "gpt_neox", "gptj", "opt", "bloom", "llama", "mistral", "mixtral", "falcon", "phi",
    "phi3", "qwen2", "qwen3", "gemma", "gemma2", "gemma3_text", "smollm3", "olmo", "olmo2", "granite",
    "stablelm", "cohere",
)  # fmt: skip
ENCODER_HALVES = {
    "t5": "T5EncoderModel",
    "mt5": "MT5EncoderModel",
    "umt5": "UMT5EncoderModel",
    "longt5": "LongT5EncoderModel",
}
"""By model_type: the class that is the encoder alone of an encoder-decoder."""


def model_kind(config: Any) -> Kind:
    """Told from the architectures that a transformers config names."""
    named = "".join(getattr(config, "architectures", None) or [])
    if config.model_type in ENCODER_HALVES:
        return "encoder" if named.endswith("EncoderModel") else "generator"
    if getattr(config, "is_encoder_decoder", False):
        return "generator"
    if not named:
        return "generator" if config.model_type in DECODERS else "encoder"
    return "generator" if "CausalLM" in named or "LMHeadModel" in named else "encoder"
