"""An encoder by name; 'tiny' is a random network with the words of some texts, for canaries."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from retailor.models.local import LocalEncoder
from retailor.models.weights import load_model

N_TEXTS = 500


def encoder_of(name: str, texts: Iterable[str]) -> LocalEncoder:
    """The encoder that `load_model` knows by the name, or the tiny one."""
    if name == "tiny":
        from retailor.testing.models import tiny_encoder

        return tiny_encoder(list(islice(texts, N_TEXTS)))
    found = load_model(name, kind="encoder")
    assert isinstance(found, LocalEncoder)
    return found
