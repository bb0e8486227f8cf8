"""Mutated inputs for MedSynth's readers: ``python Testing/fuzz --seed 0 --seconds 600 --kind nifti``.

Each input is tried in a process of its own with 10 s and 1.5 GB. A finding is a traceback, a signal, a time or memory
limit, a refusal that is not a sentence, or an image that another library reads differently.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from fuzz_run import KINDS, Finding, run


def main() -> int:
    """Run the command and return its exit status: 1 if there is a finding."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0, help="of the first input; the next ones count up")
    parser.add_argument("--count", type=int, default=1_000_000, help="of inputs of each kind")
    parser.add_argument("--seconds", type=float, default=60, help="for all together")
    parser.add_argument("--kind", action="append", choices=list(KINDS), help="repeat for several; all by default")
    parser.add_argument("--keep", type=Path, help="folder for the inputs that are findings")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    found = run(given.kind or list(KINDS), given.seed, given.count, given.seconds, given.keep)
    if given.json:
        print(json.dumps(found))
    else:
        for finding in found["findings"]:
            print(Finding(**finding), end="\n\n")
        for kind, counts in found["inputs"].items():
            print(kind, *(f"{number} {status}" for status, number in sorted(counts.items())), sep="  ")
    return 1 if found["findings"] else 0


if __name__ == "__main__":
    sys.exit(main())
