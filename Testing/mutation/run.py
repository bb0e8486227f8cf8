"""Do the tests notice small mistakes in networks, losses and systems?

    python Testing/mutation/run.py [--seed N] [--count 60] [--file networks/]

Makes the mutations of `named`, then draws others at random, and runs the tests of the room of each, the quick ones
first, against a temporary copy of the package. Prints the seed and, for each mutation, whether it was noticed.
Mutations that cannot change any output or gradient (`equivalent`) are listed with their reason, and replaced by another
draw. The exit status is 1 if a mutation survived. Needs `os.fork`, so Linux or macOS.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from equivalent import reason
from mutants import Mutant, mutants
from named import NAMED

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("networks", "losses", "systems")
# Files whose tests are those of a mutation in the file or folder; the fastest and most telling ones first.
TESTS = {
    "networks": (
        "Testing/core/networks/test_golden_networks.py",
        "Testing/core/networks/test_published_layers.py",
        "Testing/core/networks",
    ),
    "losses": ("Testing/core/losses",),
    "systems": (
        "Testing/core/systems/test_golden_steps.py",
        "Testing/core/systems/test_loss_placement.py",
        "Testing/core/systems/test_base.py",
        "Testing/core/systems",
        "Testing/core/recipes/test_settings.py",
        "Testing/core/recipes/test_help.py",
        "Testing/core/recipes/test_bundled_recipes.py",
        "Testing/core/generation/test_generator.py",
    ),
    "training/ema.py": ("Testing/core/training/test_ema.py",),
    "training/augmentation.py": ("Testing/core/training/test_augmentation.py",),
}
# What uses the rooms, for mutations that their own tests do not notice.
FURTHER = {
    "networks": ("Testing/core/systems/test_golden_steps.py", "Testing/core/inference", "Testing/core/recipes"),
    "losses": ("Testing/core/systems", "Testing/core/evaluation"),
    "systems": (
        "Testing/core/training/test_fit.py",
        "Testing/core/training/test_unconditional_training.py",
        "Testing/core/training/test_picture_training.py",
        "Testing/core/training/test_low_dose_training.py",
        "Testing/core/generation",
    ),
}
MOST_SECONDS = 1200


def main() -> int:
    """Run the mutations that the command line asks for, and return the exit status."""
    options = _options()
    print(f"seed {options.seed}")
    with tempfile.TemporaryDirectory(prefix="medsynth-mutation-") as folder:
        bench = Bench(Path(folder), options.file)
        if not bench.passes(not options.unchecked):
            print("The tests fail without any mutation; see above.")
            return 2
        drawn = () if options.count == 0 else _drawn(options)
        named = () if options.file or options.without_named else _named()
        survived = _judged(bench, named, len(NAMED)) + _judged(bench, drawn, options.count)
    for one in survived:
        print(f"SURVIVED {one}")
    return 1 if survived else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--count", type=int, default=60, help="random mutations besides the named ones")
    parser.add_argument("--file", default="", help="draw from this file or folder only, without the named ones")
    parser.add_argument("--unchecked", action="store_true", help="take for granted that all tests pass otherwise")
    parser.add_argument("--without-named", action="store_true", help="random mutations only")
    return parser.parse_args()


def _drawn(options: argparse.Namespace) -> Iterator[Mutant]:
    found = [one for one in mutants(ROOT / "medsynth_core", ROOMS) if one.file.startswith(options.file)]
    random.Random(options.seed).shuffle(found)
    return (one for one in found if one.is_valid((ROOT / "medsynth_core" / one.file).read_bytes()))


def _named() -> Iterator[Mutant]:
    for one in NAMED:
        source = (ROOT / "medsynth_core" / one.file).read_bytes()
        if source.count(one.before.encode()) != 1:
            raise SystemExit(f"The mutation '{one.name}' no longer fits {one.file}; adapt it in named.py.")
        start = source.index(one.before.encode())
        line = source[:start].count(b"\n") + 1
        yield Mutant(one.file, one.name, line, one.before, one.after, start, start + len(one.before.encode()))


def _judged(bench: Bench, found: Iterable[Mutant], count: int) -> list[Mutant]:
    """Try mutations until ``count`` could be judged; return those that survived."""
    survived: list[Mutant] = []
    tried = 0
    for one in found:
        if tried == count:
            break
        why = reason(one)
        if why:
            print(f"equivalent {one} ({why})", flush=True)
            continue
        started = time.monotonic()
        noticed = bench.notices(one)
        tried += 1
        word = "noticed" if noticed else "SURVIVED"
        print(f"{tried:3d} {word} {one} [{time.monotonic() - started:.0f} s]", flush=True)
        survived += [] if noticed else [one]
    if tried:
        print(f"{tried - len(survived)} of {tried} noticed", flush=True)
    return survived


class Bench:
    """A temporary copy of the package and its tests, in which mutations are tried.

    The heavy libraries are imported once; each mutation is tried in a fork of this process, which imports the copy.
    """

    def __init__(self, folder: Path, within: str) -> None:
        self.folder = folder
        room = within.partition("/")[0]
        self.tests = {name: some for name, some in TESTS.items() if not room or name == room}
        ignore = shutil.ignore_patterns("__pycache__")
        for name in ("medsynth_core", "Testing/core"):
            shutil.copytree(ROOT / name, folder / name, ignore=ignore)
        shutil.copy(ROOT / "pyproject.toml", folder)
        for name in ("Resources", "docs"):
            (folder / name).symlink_to(ROOT / name)
        _import_libraries()

    def passes(self, checked: bool) -> bool:
        """Return whether all tests pass without a mutation; without ``checked``, whether they can be collected.

        Either leaves the byte code of package and tests for the later runs.
        """
        several = (*self.tests.values(), *(FURTHER.get(name, ()) for name in self.tests))
        tests = list(dict.fromkeys(test for some in several for test in some))
        return self._run([tests if checked else ["--collect-only", *tests]], first=True)

    def notices(self, mutant: Mutant) -> bool:
        """Return whether a test fails, or does not end, with a mutation."""
        path = self.folder / "medsynth_core" / mutant.file
        source = path.read_bytes()
        for code in (path.parent / "__pycache__").glob(f"{path.stem}.*"):
            code.unlink()
        path.write_bytes(mutant.applied(source))
        room = mutant.file.partition("/")[0]
        tests, further = self.tests.get(mutant.file) or self.tests[room], FURTHER.get(room, ())
        quick = [["-m", "not slow", *some] for some in (tests[:1], tests[1:]) if some]
        try:
            return not self._run([*quick, ["-m", "slow", *tests], *([[*further]] if further else [])])
        finally:
            path.write_bytes(source)

    def _run(self, several: list[list[str]], first: bool = False) -> bool:
        """Run pytest once for each list of arguments, until one fails; return whether none did."""
        sys.stdout.flush()
        child = os.fork()
        if child == 0:
            self._become(several, first)
        deadline = time.monotonic() + (10 * MOST_SECONDS if first else MOST_SECONDS)
        while time.monotonic() < deadline:
            done, status = os.waitpid(child, os.WNOHANG)
            if done:
                return status == 0
            time.sleep(0.05)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        return False

    def _become(self, several: list[list[str]], first: bool) -> None:
        """Run the tests in this fork, and end it with their exit status."""
        import pytest

        status = 3
        try:
            if not first:
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, 1)
                os.dup2(nowhere, 2)
            os.chdir(self.folder)
            sys.dont_write_bytecode = not first
            sys.path.insert(0, str(self.folder))
            options = ["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"]
            codes = (int(pytest.main([*options, *arguments])) for arguments in several)
            # A room may have no slow test.
            status = next((code for code in codes if code not in (0, int(pytest.ExitCode.NO_TESTS_COLLECTED))), 0)
        finally:
            os._exit(status)


def _import_libraries() -> None:
    """Import what every test needs and no mutation changes."""
    os.environ["OMP_NUM_THREADS"] = "1"
    import accelerate
    import monai.losses
    import monai.networks.nets
    import monai.transforms
    import pydantic
    import safetensors.torch
    import scipy.ndimage
    import SimpleITK
    import skimage.metrics
    import torch
    import torch.optim.swa_utils
    import torch.utils.flop_counter
    import yaml

    torch.set_num_threads(1)
    needed = (accelerate, monai, pydantic, safetensors, scipy, SimpleITK, skimage, torch, yaml)
    if "medsynth_core" in sys.modules or not all(needed):
        raise SystemExit("The package must not be imported before its copy is changed.")


if __name__ == "__main__":
    sys.exit(main())
