"""Whether the networks of a multi-modal recipe fit each other, the modalities and the size of the images."""

from __future__ import annotations

from typing import Any

from medsynth_core.errors import MedSynthError
from medsynth_core.preparation.contract_images import channels_of
from medsynth_core.systems.multimodal_maps import check_maps
from medsynth_core.systems.multimodal_settings import MultimodalSettings
from medsynth_core.systems.output_range import check_output_range


def check_networks(settings: MultimodalSettings, networks: dict[str, Any]) -> None:
    """Check that the networks have a channel for each image and know the modalities.

    Raises:
        MedSynthError: they do not.
    """
    count = len(settings.modalities)
    channels = len(channels_of(settings.contract.outputs)) // count
    drawn = {"in_channels": 1 + settings.labelled, "out_channels": channels, "chosen": count if count > 1 else 0}
    shown = {"in_channels": channels}
    needed = {"generator": drawn, "translator": {**drawn, **shown}, "discriminator": shown}
    for name, facts in {**needed, **{f"processor_{role}": shown for role in settings.modalities}}.items():
        network = networks.get(name)
        for fact, value in facts.items():
            if network is not None and getattr(network, fact, None) != value:
                option = "modalities" if fact == "chosen" else fact
                raise MedSynthError(
                    f"The {name} of the recipe '{settings.name}' needs {option}: {value}; set the option.", kind="model"
                )
    _check_sizes(settings, networks)
    check_maps(settings, networks["generator"])
    check_output_range(settings.name, settings.contract.outputs, networks["generator"])
    judged = getattr(networks["discriminator"], "modality", None) is not None
    if judged != (count > 1):
        raise MedSynthError(
            f"The discriminator of the recipe '{settings.name}' needs modalities: {count if count > 1 else 0}; set the "
            "option.",
            kind="model",
        )


def _check_sizes(settings: MultimodalSettings, networks: dict[str, Any]) -> None:
    """Check that lesion processors of a stated size have that of the images.

    Raises:
        MedSynthError: one has another.
    """
    size = settings.generation.side
    for role in settings.modalities:
        own = getattr(networks.get(f"processor_{role}"), "size", size)
        if own != size:
            raise MedSynthError(
                f"The processor of the recipe '{settings.name}' is for images of {own}², not {size}²; set its size to "
                f"{size}.",
                kind="model",
            )
