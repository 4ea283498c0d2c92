"""Adapts a pretrained model to a shop's own texts, before any task; one file a kind of objective."""

from retailor.train.adapt.run import adapt, adapt_with_log, general_texts
from retailor.train.adapt.settings import AdaptLog, AdaptSettings

__all__ = ["AdaptLog", "AdaptSettings", "adapt", "adapt_with_log", "general_texts"]
