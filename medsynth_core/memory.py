"""How much main memory there is."""

from __future__ import annotations

from pathlib import Path


def available_memory() -> int | None:
    """Return the bytes of main memory that programs can still get, or None where the system does not tell."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")), None)
