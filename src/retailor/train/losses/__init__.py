"""Losses: functions of tensors, and wrappers, loss function in, loss function out."""
