"""The Python packages that MedSynth needs in addition to Slicer's: which are installed, and installing the rest."""

import importlib
import importlib.metadata
import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import slicer
from slicer.i18n import tr as _

from medsynth_core.errors import Cancelled, MedSynthError
from MedSynthLib.messages import asItIs

TORCH = ("torch", "2.8")
# Minimum versions, as in pyproject.toml. Packages that Slicer ships are not listed, so that they are never replaced.
PACKAGES = (
    ("monai", "1.5"),
    ("scikit-image", "0.22"),
    ("pillow", "9"),
    ("filelock", "3.12"),
    ("psutil", "5.9"),
    ("safetensors", "0.4"),
    ("pydantic", "2.6"),
    ("pyyaml", "6"),
)
# MedSynth works without them.
OPTIONAL = (("openvino", "2025.0"),)
KEPT = ("numpy", "scipy", "SimpleITK", "pydicom", "torch")
TITLES = {"torch": "PyTorch", "monai": "MONAI", "openvino": "OpenVINO"}


@dataclass(frozen=True)
class Package:
    """A package that MedSynth needs.

    Attributes:
        name: name of the distribution.
        minimum: lowest accepted version.
        installed: installed version; "" if the package is missing.
    """

    name: str
    minimum: str
    installed: str

    @property
    def ready(self) -> bool:
        """Whether the minimum version or a newer one is installed."""
        return bool(self.installed) and _numbers(self.installed) >= _numbers(self.minimum)

    def __str__(self) -> str:
        return f"{TITLES.get(self.name, self.name)} {self.installed or '≥ ' + self.minimum}"


def packages() -> list[Package]:
    """Return the packages with their installed versions. Imports none of them and needs no network."""
    return [Package(name, minimum, installedVersion(name)) for name, minimum in (TORCH, *PACKAGES)]


def optionalPackages() -> list[Package]:
    """Return the packages with which MedSynth is faster, with their installed versions."""
    return [Package(name, minimum, installedVersion(name)) for name, minimum in OPTIONAL]


def ready() -> bool:
    """Return whether everything that MedSynth needs is installed."""
    return all(package.ready for package in packages())


def installedVersion(name: str) -> str:
    """Return the version of an installed distribution; "" if it is missing."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


def install() -> None:
    """Install what MedSynth needs, after asking the user. Does nothing if everything is installed.

    Raises:
        MedSynthError: a package cannot be installed.
        Cancelled: the user declined.
    """
    torch, *others = packages()
    if not torch.ready:
        _installTorch(torch)
    _installMissing(others, _("MedSynth needs these Python packages: {names}. Install them now?"))


def installOptional() -> None:
    """Install what makes MedSynth faster, after asking the user; otherwise as `install`."""
    _installMissing(optionalPackages(), _("Synthesis on the CPU is faster with {names}. Install it now?"))


def _installMissing(wanted: list[Package], question: str) -> None:
    missing = [f"{package.name}>={package.minimum}" for package in wanted if not package.ready]
    if missing:
        _installWithConstraints(missing, question)
    importlib.invalidate_caches()


def _installTorch(torch: Package) -> None:
    if torch.installed:
        raise MedSynthError(
            _(
                "PyTorch {installed} is installed, but MedSynth needs {minimum} or newer; uninstall it in the "
                "module PyTorch Utils, restart Slicer, and press Install again."
            ).format(installed=torch.installed, minimum=torch.minimum),
            kind="device",
        )
    try:
        import PyTorchUtils
    except ModuleNotFoundError:
        raise MedSynthError(
            _(
                "PyTorch is installed by the extension PyTorch, which is missing; install it with the "
                "Extensions Manager and restart Slicer."
            ),
            kind="device",
        ) from None
    logic = PyTorchUtils.PyTorchUtilsLogic()
    try:
        installed = logic.installTorch(askConfirmation=True, torchVersionRequirement=f">={torch.minimum}")
    except (RuntimeError, ImportError, OSError, subprocess.CalledProcessError) as problem:  # no network, disk full, …
        raise _notInstalled(problem) from problem
    if installed is None:  # the user has declined
        raise Cancelled


def _installWithConstraints(requirements: list[str], question: str) -> None:
    """Install through Slicer, without changing the versions of packages that other parts of Slicer rely on."""
    if not slicer.util.confirmOkCancelDisplay(asItIs(question.format(names=", ".join(requirements)))):
        raise Cancelled
    with tempfile.TemporaryDirectory(dir=slicer.app.temporaryPath) as folder:
        constraints = Path(folder) / "constraints.txt"
        kept = [f"{name}=={version}" for name in KEPT if (version := installedVersion(name))]
        constraints.write_text("\n".join(kept) + "\n")
        try:
            _pipEnsure(requirements, constraints)
        except (RuntimeError, subprocess.CalledProcessError) as problem:
            raise _notInstalled(problem) from problem


def _notInstalled(problem: Exception) -> MedSynthError:
    return MedSynthError(_("The packages were not installed: {reason}").format(reason=problem), kind="device")


def _pipEnsure(requirements: list[str], constraints: Path) -> None:
    try:
        from slicer.packaging import pip_ensure
    except ImportError:  # Slicer 5.10
        slicer.util.pip_install([*requirements, "-c", str(constraints)])
        return
    pip_ensure(requirements, constraints=constraints, prompt_install=False, requester="MedSynth")


def _numbers(version: str) -> tuple[int, ...]:
    """Return the release numbers of a version: (2, 8, 0) for "2.8.0+cu128"."""
    return tuple(int(number) for number in re.match(r"[\d.]*", version).group().split(".") if number)
