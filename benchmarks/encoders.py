"""An encoder by name; 'tiny' is a random network with the words of some texts, for canaries."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from retailor.models.local import LocalEncoder
from retailor.models.weights import load_model
from retailor.prove.encoders import untrained

N_TEXTS, N_LAYERS = 500, 5


def encoder_of(name: str, texts: Iterable[str]) -> LocalEncoder:
    """The encoder that `load_model` knows by the name, or the tiny one."""
    if name == "tiny":
        from retailor.testing.models import tiny_encoder

        made = tiny_encoder(list(islice(texts, N_TEXTS)))
        made.network.config.num_hidden_layers = N_LAYERS
        return untrained(made, 0)
    found = load_model(name, kind="encoder")
    assert isinstance(found, LocalEncoder)
    return found
