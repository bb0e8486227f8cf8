"""Available and peak memory are plausible on this machine."""

import subprocess
import sys

import psutil
import pytest
import torch

from medsynth_core.compute.memory import CPU_BUDGET, available_memory, device_memory, peak_memory, slab_budget

MIB = 1 << 20


def test_available_memory_is_at_most_that_of_the_machine():
    assert 16 * MIB < available_memory() < psutil.virtual_memory().total


def test_peak_memory_is_between_current_and_total_memory():
    # The kernel counts pages per processor, so the sum lags slightly.
    assert 0.9 * psutil.Process().memory_info().rss < peak_memory() < psutil.virtual_memory().total


def test_peak_memory_remains_after_memory_is_freed():
    # In a separate process, so that its peak is not that of other tests or of its parent.
    script = (
        "from medsynth_core.compute.memory import peak_memory\n"
        "before = peak_memory()\n"
        "block = bytearray(b'x' * (200 << 20))\n"
        "del block\n"
        "print(before, peak_memory())\n"
    )
    large = bytearray(b"x" * 300 * MIB)
    before, after = map(int, subprocess.check_output([sys.executable, "-c", script], text=True).split())
    assert 4 * MIB < before < len(large)
    assert before + 150 * MIB < after < before + 600 * MIB


def test_the_cpu_reports_peak_but_no_total_memory():
    told = device_memory(torch.device("cpu"))
    assert told["name"] == "CPU" and told["total_bytes"] is None
    assert 0 < told["used_bytes"] <= peak_memory()


def test_windows_on_a_cpu_take_at_most_half_of_what_is_available():
    budget = slab_budget(torch.device("cpu"))
    assert 0 < budget <= CPU_BUDGET
    assert budget == pytest.approx(min(CPU_BUDGET, available_memory() // 2), rel=0.2)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_a_gpu_reports_name_peak_and_total_memory():
    device = torch.device("cuda")
    torch.empty(32 * MIB, dtype=torch.uint8, device=device)
    told = device_memory(device)
    assert told["name"] and 32 * MIB <= told["used_bytes"] <= told["total_bytes"]
    assert 0 < slab_budget(device) < told["total_bytes"]
