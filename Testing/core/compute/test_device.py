"""Tests of what a device can compute."""

import platform

import pytest
import torch

from medsynth_core.compute.device import computes_bfloat16

CPU = torch.device("cpu")


@pytest.mark.parametrize("supported", [True, False])
def test_a_cpu_is_asked_for_its_instructions(monkeypatch, supported):
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: supported, raising=False)
    assert computes_bfloat16(CPU) is supported


def test_a_build_of_pytorch_that_cannot_be_asked_counts_as_without(monkeypatch):
    monkeypatch.setattr(platform, "machine", lambda: "AMD64")
    monkeypatch.setattr(torch.ops, "mkldnn", object())
    assert computes_bfloat16(CPU) is False


def test_other_processors_and_apples_gpu_are_trusted(monkeypatch):
    monkeypatch.setattr(platform, "machine", lambda: "arm64")
    assert computes_bfloat16(CPU) and computes_bfloat16(torch.device("mps"))


@pytest.mark.parametrize("supported", [True, False])
def test_a_gpu_that_only_emulates_is_without(monkeypatch, supported):
    asked = []
    monkeypatch.setattr(
        torch.cuda, "is_bf16_supported", lambda including_emulation: asked.append(including_emulation) or supported
    )
    assert computes_bfloat16(torch.device("cuda")) is supported and asked == [False]
