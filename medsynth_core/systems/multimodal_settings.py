"""Settings of multi-modal synthesis from structure maps (Qu, multi-modal synthesis, sections 4.3 to 4.5)."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, cast

from pydantic import Field, model_validator

from medsynth_core.models.card import NetworkSpec
from medsynth_core.preparation.contract import GenerationContract
from medsynth_core.preparation.part import Part
from medsynth_core.systems.data_needs import DataNeeds, Role, check_classes
from medsynth_core.systems.settings import SystemSettings, role_of
from medsynth_core.systems.structure_source import StructureSource


class MultimodalLoss(Part):
    """Weights of the losses. The defaults are those of the author's code; the thesis's sum has 1 for all its terms.

    Attributes:
        adversarial: of the generator (equation 14), and of the translator (21).
        real, fake: of the discriminators, for real and synthetic images (equations 13 and 20).
        modality: squared difference of the estimated number of the modality, or cross-entropy if the discriminator has
            ``logits``, for real images in the discriminators, for synthetic ones in generator and translator.
        modality_fake: the same for synthetic images in the discriminators, which the thesis has and the code has not.
        registration: squared difference of an image from those that are translated into its modality (equation 16).
        agreement: squared difference of these translations from each other; not in the thesis.
        lesion: difference of the lesion label from the label found in a synthetic image (equation 15).
        processor: the same for real images, with which lesion processors are trained (equation 22).
        cycle: squared difference after translation to another modality and back (equation 19).
        reconstruction, background: squared difference of an image drawn from its own map, over the whole image and over
            the background (equation 18).
    """

    adversarial: float = Field(default=3.0, ge=0)
    real: float = Field(default=5.0, ge=0)
    fake: float = Field(default=3.0, ge=0)
    modality: float = Field(default=5.0, ge=0)
    modality_fake: float = Field(default=0.0, ge=0)
    registration: float = Field(default=20.0, ge=0)
    agreement: float = Field(default=5.0, ge=0)
    lesion: float = Field(default=5.0, ge=0)
    processor: float = Field(default=5.0, gt=0)
    cycle: float = Field(default=20.0, gt=0)
    reconstruction: float = Field(default=5.0, gt=0)
    background: float = Field(default=5.0, ge=0)


class MultimodalSettings(SystemSettings):
    """Settings of the system ``multimodal``.

    Attributes:
        structures: where the structure map of each modality comes from, by role of the modality.
        lesion: column of the lesion masks; "" for none.
        boxes: draw lesions as filled boxes, as of sets that have boxes instead of masks.
        classes: names of the classes, as in the column ``class`` of the manifest, in the order of their numbers: the
            label is then the number of the class everywhere, instead of that of a lesion. Empty for none.
        lesion_loss: how processors compare, ``squares`` (the author's code) or ``own``: each network's own loss (the
            thesis). A detector has only its own.
        registered: train with the same slice of all modalities of a patient. Otherwise each case gives images of one
            modality, so that nothing of a registered pair is seen.
        structure_model: a model of the system structure-vaegan (its name in the library, or its package folder) that
            becomes the part of the generator that draws maps from noise (network ``multimodal-from-noise``). It is not
            trained further. "" for a generator that needs a map of an image.
        drawn_maps: share of the maps from noise among those that the generator is trained with against the
            discriminator (0…1); the others are of images.
        discriminator: network with a map for real or synthetic and one for the modality.
        translator: network that translates between modalities; None without the registration loss.
        processor: network that finds lesions in an image, one for each modality; None without the lesion loss, so that
            labels are drawn from but not looked for.
        prepare_epochs: epochs in which translator and processors learn, before the generator is trained.
        pretrain_epochs: epochs after these in which the generator learns from images and their own maps.
        keep_pictures: keep pictures of 16 × 16 fields of the training images in the package, by which generated images
            that repeat one of them are recognised.
        maps: draw from structure maps; from noise alone if not (ablation A).
        fuse: fill structure maps with noise (equation 12).
        invert: draw from 1 − the structure map, which is then not filled with noise (SkrGAN).
        own_maps: compare each image with the one whose map it is drawn from, with the weights ``loss.reconstruction``
            and ``loss.background``, also while the generator learns against the discriminator (SkrGAN); only for a
            single modality without lesions.
        reconstruct: go on with the losses of ``pretrain_epochs`` (equation 18) while the generator learns against the
            discriminator. Not in the thesis, where nothing holds it to them any more.
        fit_lesions: use lesion labels only where they lie inside the organ.
        loss: weights of the losses.

    ``choose_by`` must be ``ms_ssim_paired`` or ``fid``: of images that are drawn from the maps of the validation cases.
    """

    structures: dict[str, StructureSource]
    lesion: str = ""
    boxes: bool = False
    classes: tuple[str, ...] = ()
    lesion_loss: Literal["squares", "own"] = "squares"
    registered: bool = False
    structure_model: str = ""
    drawn_maps: float = Field(default=0.0, ge=0, le=1)
    discriminator: NetworkSpec
    translator: NetworkSpec | None = None
    processor: NetworkSpec | None = None
    prepare_epochs: int = Field(default=0, ge=0)
    pretrain_epochs: int = Field(default=0, ge=0)
    keep_pictures: bool = True
    maps: bool = True
    fuse: bool = True
    invert: bool = False
    own_maps: bool = False
    reconstruct: bool = False
    fit_lesions: bool = True
    loss: MultimodalLoss = MultimodalLoss()

    @property
    def generation(self) -> GenerationContract:
        """The contract, which is one of a generator."""
        return cast(GenerationContract, self.contract)

    @property
    def modalities(self) -> tuple[str, ...]:
        """Roles of the modalities, by whose number the networks know them."""
        return tuple(self.contract.outputs)

    @property
    def labelled(self) -> bool:
        """Whether images are drawn from a label as well: that of a lesion, or of a class."""
        return bool(self.lesion or self.classes)

    @property
    def needs(self) -> DataNeeds:
        """The images of the modalities, of which a case needs one, and what their maps and labels come from."""
        roles = {role: role_of(role, side, self.contract) for role, side in self.contract.outputs.items()}
        for source in self.structures.values():
            roles.setdefault(source.role, source.needed)
        if self.lesion:
            roles.setdefault(self.lesion, Role(self.lesion, pictures=True))
        needs = DataNeeds(tuple(roles.values()), optional=tuple(roles), by_modality=True)
        return replace(needs, classes=self.classes)

    @model_validator(mode="after")
    def _fit(self) -> MultimodalSettings:
        if set(self.structures) != set(self.modalities):
            raise ValueError(f"structures must have an entry for each output ({', '.join(self.modalities)})")
        if self.invert and (self.fuse or not self.maps):
            raise ValueError("invert draws from the structure map alone: set fuse to no and maps to yes")
        if self.own_maps and (len(self.modalities) > 1 or self.lesion or not self.maps):
            raise ValueError("own_maps is for structure maps of a single modality without lesion; leave it out")
        if self.reconstruct and (self.own_maps or not self.maps):
            raise ValueError("reconstruct draws images from their own maps: set maps to yes, and leave own_maps out")
        if len({side.colours for side in self.contract.outputs.values()}) > 1:
            raise ValueError("contract.outputs must be all grey or all in colour, because one network draws all")
        if len(self.modalities) < 2 and self.translator is not None:
            raise ValueError("a translator needs two modalities at least; leave translator out")
        if self.processor is not None and not self.labelled:
            raise ValueError("a processor needs lesion, the column of the masks that it learns from, or classes")
        if self.classes and (self.lesion or self.fit_lesions or len(self.classes) < 2):
            raise ValueError(
                "classes, at least two, take the place of lesion and lie everywhere; set fit_lesions: false"
            )
        if self.boxes and not self.lesion:
            raise ValueError("boxes are those of lesions; give lesion")
        check_classes(self.classes)
        if (self.translator or self.processor) and not self.prepare_epochs:
            raise ValueError("translator and processor learn in prepare_epochs, which must be above 0")
        if self.prepare_epochs and not (self.translator or self.processor):
            raise ValueError("prepare_epochs is for translator and processor; leave it out, or give one of these")
        if self.drawn_maps and not self.structure_model:
            raise ValueError("drawn_maps needs a structure_model that draws them")
        if self.prepare_epochs + self.pretrain_epochs >= self.epochs:
            raise ValueError("epochs must be more than prepare_epochs and pretrain_epochs together")
        return self
