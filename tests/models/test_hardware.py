"""Native bf16 is told from emulated, by what the hardware says of itself."""

from __future__ import annotations

import platform
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from retailor.models import hardware
from retailor.models.hardware import native_bf16


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(sys, "platform", "linux")
    native_bf16.cache_clear()
    yield
    native_bf16.cache_clear()


@pytest.mark.parametrize(
    ("capability", "native"), [((7, 0), False), ((7, 5), False), ((8, 0), True), ((9, 0), True)]
)
def test_a_gpu_before_ampere_emulates_it(
    monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int], native: bool
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda *_, **__: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda *_: capability)
    monkeypatch.setattr(torch.version, "hip", None)
    assert native_bf16() is native and native_bf16("cuda") is native


@pytest.mark.parametrize(
    ("flags", "native"),
    [
        ({}, False),
        ({"avx512_f": True, "avx512_vnni": True, "amx_tile": True, "avx512_bf16": False}, False),
        ({"avx512_bf16": True}, True),
        ({"avx512_bf16": False, "amx_bf16": True}, True),
        ({"bf16": True}, True),
    ],
)
def test_a_processor_is_asked_for_its_flags(
    monkeypatch: pytest.MonkeyPatch, flags: dict[str, bool], native: bool
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: flags, raising=False)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False, raising=False)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False, raising=False)
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    assert native_bf16() is native


@pytest.mark.parametrize(("features", "native"), [("fp asimd bf16 i8mm", True), ("fp asimd asimdhp", False)])
def test_an_arm_processor_lists_it(monkeypatch: pytest.MonkeyPatch, features: str, native: bool) -> None:
    real = Path.read_text
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict, raising=False)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False, raising=False)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False, raising=False)
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")

    def read(self: Path, *args: Any, **options: Any) -> str:
        said = f"processor : 0\nFeatures : {features}\n"
        return said if str(self) == "/proc/cpuinfo" else real(self, *args, **options)

    monkeypatch.setattr(Path, "read_text", read)
    assert native_bf16("cpu") is native


@pytest.mark.parametrize(("said", "native"), [("1\n", True), ("0\n", False), ("", False)])
def test_apple_s_processors_are_asked(monkeypatch: pytest.MonkeyPatch, said: str, native: bool) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: SimpleNamespace(stdout=said))
    assert native_bf16("cpu") is native and native_bf16("mps") is native


def test_a_copy_in_half_is_made_where_the_network_lies_on_such_a_device(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = []
    monkeypatch.setattr(hardware, "native_bf16", lambda kind: asked.append(kind) or True)
    made = hardware.InferenceCopy().of(torch.nn.Linear(2, 2).eval(), "auto")
    assert asked == ["cpu"] and next(made.parameters()).dtype == torch.bfloat16
