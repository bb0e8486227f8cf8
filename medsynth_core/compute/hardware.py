"""The computer that figures of time and memory were measured on, for their records."""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil

from medsynth_core.version import __version__, library_versions, source_commit

CPU_FILE = Path("/proc/cpuinfo")
_LINUX_NAME = re.compile(r"^(?:model name|Model|Processor)\s*:\s*(.+)$", re.MULTILINE)


def processor_name() -> str:
    """Return the processor's name as its maker gives it, or its architecture where the system does not tell."""
    if sys.platform == "linux":
        found = _of_linux()
    elif sys.platform == "darwin":
        found = _of_macos()
    else:
        found = platform.processor()
    return found or platform.machine()


def total_memory_gb() -> float:
    """Return the main memory of the computer in GiB, to one decimal."""
    return round(psutil.virtual_memory().total / 2**30, 1)


def _of_linux() -> str:
    try:
        name = _LINUX_NAME.search(CPU_FILE.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return ""
    return " ".join(name[1].split()) if name else ""


def _of_macos() -> str:
    sysctl = shutil.which("sysctl") or "/usr/sbin/sysctl"
    try:
        done = subprocess.run([sysctl, "-n", "machdep.cpu.brand_string"], capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()


def computer() -> dict[str, Any]:
    """Return what figures of time and memory depend on: processor, memory, and versions of Python and libraries."""
    return {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "processor": processor_name(),
        "memory_gb": total_memory_gb(),
        "medsynth-core": __version__,
        "commit": source_commit(),
        **library_versions(),
    }
