"""How a chat model reads a prompt: its template, with the system text where the template has room for it."""

from __future__ import annotations

from typing import Any

from retailor.errors import ModelError
from retailor.models.files import first_line

SYSTEM, USER = "RETAILORSYSTEMPROBE", "RETAILORUSERPROBE"
"""Words that no template writes itself, to see what it does with a message."""


def knows_system(tokenizer: Any, name: str) -> bool:
    """Whether the chat template writes a system message, rather than to drop it or to refuse it.

    Raises ModelError when the template cannot write a plain question.
    """
    user = {"role": "user", "content": USER}
    try:
        alone = written(tokenizer, [user])
    except Exception as error:
        raise ModelError(
            f"{name}: its chat template cannot write a question: {first_line(error)}; mend chat_template in "
            "its tokenizer_config.json (or chat_template.jinja), or take it out.",
            asked="chat_template",
        ) from None
    if USER not in alone:
        raise ModelError(f"{name}: its chat template leaves the question out.", asked="chat_template")
    try:
        both = written(tokenizer, [{"role": "system", "content": SYSTEM}, user])
    except Exception:  # templates raise errors of their own making
        return False
    return SYSTEM in both and USER in both


def written(tokenizer: Any, messages: list[dict[str, str]]) -> str:
    """The text that the model reads, up to where its answer begins."""
    return str(tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False))


def start_id(tokenizer: Any) -> int:
    """The mark that stands before a text: of a beginning, or of an end where there is none. It may be 0."""
    bos = tokenizer.bos_token_id
    return int(tokenizer.eos_token_id if bos is None else bos)
