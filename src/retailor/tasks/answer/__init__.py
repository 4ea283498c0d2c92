"""Answering: a task whose parts are in this folder, each readable alone."""

from retailor.tasks.answer.task import Answerer, AnswerSettings

__all__ = ["AnswerSettings", "Answerer"]
