"""Mutations that no test can notice, because they change no output, no gradient and no message, with the reason."""

from __future__ import annotations

import ast

from mutants import Mutant

# By file, place, changed part and what it becomes.
KNOWN: dict[tuple[str, str, str, str], str] = {
    (
        "networks/resnet.py",
        "ResNetGenerator.forward",
        'pad(image, extra, mode="replicate") if any(extra) else image',
        "pad(image, extra, mode='replicate')",
    ): "padding by no voxels changes nothing; leaving it out only saves time",
    (
        "systems/pool.py",
        "ImagePool._exchanged",
        "self._random.random() < 0.5",
        "self._random.random() <= 0.5",
    ): "a random number is exactly 0.5 once in 2 to the power of 53",
    (
        "systems/unconditional.py",
        "UnconditionalSystem._update",
        "other.requires_grad_(False)",
        "other",
    ): "the other network's gradients are set to nothing before its own update; to leave them out only saves time",
    ("networks/mlnet3d.py", "MLNet3D.with_class", "1e-6", "2e-06"): "any small number: it only prevents 0 / 0",
    ("networks/mlnet3d.py", "MLNet3D.with_class", "1e-6", "5e-07"): "any small number: it only prevents 0 / 0",
    (
        "networks/mlnet3d.py",
        "_resized",
        'features if features.shape[2:] == size else interpolate(features, size, mode="trilinear")',
        "interpolate(features, size, mode='trilinear')",
    ): "interpolation to the same size is the identity; leaving it out only saves time",
}

# Functions for which the order of the arguments does not matter.
SYMMETRIC = ("max", "min", "mse_loss", "l1_loss")


def reason(mutant: Mutant) -> str:
    """Return why a mutation is equivalent; empty if it is not known to be."""
    return _of_kind(mutant) or KNOWN.get((mutant.file, mutant.place, mutant.before, mutant.after), "")


def _of_kind(mutant: Mutant) -> str:
    if mutant.before.endswith("zero_grad(set_to_none=True)") and mutant.after.endswith("zero_grad()"):
        return "True is torch's default"
    if mutant.lead.endswith("set_to_none="):
        return "gradients of 0 and no gradients add up to the same; networks that wait have none in either case"
    if mutant.lead.endswith('fused=self.engine.device.type in ("cpu", ') or mutant.lead.endswith("non_blocking="):
        return "chooses how a GPU computes, not what"
    if "device=" in mutant.before and mutant.after == without_device(mutant.before):
        return "chooses where a GPU's training keeps a tensor; without a GPU there is one place"
    if mutant.before.startswith("zip(") and "strict=False" in mutant.before and "strict" not in mutant.after:
        return "False is Python's default"
    if "kernel_sigma=SIGMA" in mutant.before and "kernel_sigma" not in mutant.after:
        return "1.5 is MONAI's default"
    if 'criterion="least_squares"' in mutant.before and "criterion" not in mutant.after:
        return "least squares are MONAI's default"
    if is_reordered(mutant.before, mutant.after):
        return "the order of these arguments does not matter"
    if "normalize(" in mutant.before and mutant.after == mutant.before.replace(", dim=1", ""):
        return "1 is torch's default"
    removed = "strict=True" in mutant.before and "strict=True" not in mutant.after and mutant.before.startswith("zip(")
    if removed or mutant.lead.endswith("strict="):
        return "strict only guards against a mistake in this code: the lengths are equal"
    return ""


def without_device(source: str) -> str:
    """Return a call as a mutation writes it that leaves out the argument ``device``."""
    call = ast.parse(source, mode="eval").body
    if isinstance(call, ast.Call):
        call.keywords = [keyword for keyword in call.keywords if keyword.arg != "device"]
    return ast.unparse(call)


def is_reordered(before: str, after: str) -> bool:
    """Return whether both are calls of one of `SYMMETRIC` with the same arguments in another order."""
    try:
        calls = [ast.parse(source, mode="eval").body for source in (before, after)]
    except SyntaxError:
        return False
    found = [
        (call.func.id, sorted(map(ast.unparse, call.args)), [ast.unparse(keyword) for keyword in call.keywords])
        for call in calls
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in SYMMETRIC
    ]
    return len(found) == 2 and found[0] == found[1]
