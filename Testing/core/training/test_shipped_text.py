"""What shipped texts say of data and training is not said of another training, however it is spelled."""

from __future__ import annotations

import pytest
from builders import tiny_recipe, write_manifest

from medsynth_core import MedSynthError, Progress, load_model, train
from medsynth_core.models.markdown import card_text
from medsynth_core.recipes.presets import preset_files
from medsynth_core.recipes.recipe import About, Recipe, read_recipe
from medsynth_core.training.claims import claim_problem
from medsynth_core.training.publishing import publish_run
from medsynth_core.training.shipped_text import bundled_texts, claims, recipe_file, sentences
from medsynth_core.training.train import train_recipe

BUNDLED = {name: about for name, _, about in bundled_texts()}
OWN = {"title": "Mine", "description": "Mine.", "limits": ("Mine.",), "data_licence": "Mine."}
# Sentences in the limits of shipped texts that are true of other models too.
GENERAL = """
    A CT contains little information on tumour uptake;
    An image may be nearly the same as one of a real patient whom the model has seen.
    Do not read a lesion, or its absence, from this image.
    It is an average over patients;
    It may remove lesions or create false ones;
    It may show what is not there and hide what is;
    It shows tumours as muscle;
    It shows tumours where there are none and misses real ones;
    Its images show no patient, and nothing in them is a finding.
    Small or faint lesions may be smoothed away, and noise may look like a lesion;
    The CT shows where organs are, not how much tracer they take up;
    Tissues that look alike in CT look alike in this image;
    Tissues that look alike in a CT look alike in this image, however they differ in an MR:
    Tissues that look alike in a CT look alike in this image;
    Anatomy is plausible at best;
    The images show no patient.
    Uptake of a tumour is hardly in its CT:
    Uptake of a tumour is hardly in its CT;
    do not infer the presence or absence of a lesion from it.
    do not infer the presence or absence of a lesion from this image.
    do not read a lesion, or its absence, from it.
    do not read a lesion, or its absence, from this image.
    finer ones are averaged to that size first, which costs detail, and coarser ones are refused.
    glucose, insulin, injected dose and waiting time are not in a CT.
    nothing is known of its error elsewhere, above all in brain, heart and liver.
    nothing is known of its error elsewhere, above all in the head.
    the noise of another scanner or reconstruction is another.
    they are no T1 times.
    tumours may be missed, and tissue that looks like a tumour may be shown as one.
    tumours, oedema and marrow above all.
    uptake and signal of a tumour follow its label, not any biology.
    where PET and CT are misaligned, edges of the CT may appear in the PET.
"""


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    return write_manifest(tmp_path_factory.mktemp("data"))


def own(recipe: Recipe, **about: object) -> Recipe:
    return recipe.model_copy(update={"name": "mine", "about": recipe.about.model_copy(update=about)})


def edited(name: str, **changes: object) -> Recipe:
    """Return a preset with the licence of own data and other settings; one key of a part keeps the others."""
    content = {**read_recipe(name).model_dump(mode="json"), "name": "mine"}
    content["about"]["data_licence"] = "Of our hospital."
    for key, value in changes.items():
        whole = isinstance(value, dict) and key != "network"
        content[key] = {**content[key], **value} if whole else value
    return Recipe.model_validate({key: value for key, value in content.items() if value is not None})


def test_every_sentence_of_shipped_limits_is_general_or_a_claim():
    """A sentence that is added to a recipe is to be looked at: may others keep it?"""
    texts = [*BUNDLED.values(), *(read_recipe(path).about for path in preset_files().values())]
    said = {sentence for about in texts for sentence in sentences(about.limits)}
    claimed = {claim.sentence for claim in claims() if claim.key == "limits"}
    general = {line.strip() for line in GENERAL.strip().splitlines()} - {"It shows tumours as muscle;"}
    assert said - claimed == general
    assert len(claimed) == 16 and not claimed & general


@pytest.mark.parametrize("name", sorted(BUNDLED))
def test_no_sentence_on_the_data_of_a_bundled_model_is_kept(name):
    about, recipe = BUNDLED[name], read_recipe(recipe_file(name))
    assert claim_problem(own(recipe, **OWN)) == ""
    found = [claim for claim in claims() if claim.owner == name]
    assert {claim.key for claim in found} == {"title", "description", "limits", "data_licence"}
    for claim in found:
        for said in (
            claim.sentence.upper(),
            f"  {claim.sentence.replace(' ', chr(10) + ' ')}..",
            f"As was said, {claim.sentence.rstrip('.;:')}, and more.",
        ):
            for key in ("title", "description", "intended_use", "data_licence"):
                assert "is that of the bundled model" in claim_problem(own(recipe, **{**OWN, key: said})), (key, said)
            assert claim.sentence.rstrip(".;:") in claim_problem(own(recipe, **{**OWN, "limits": ("Mine.", said)}))
    kept = {"limits": about.limits[:-1], "title": f"{about.title}.", "description": f"{about.description} "}
    assert claim_problem(own(recipe, **{**OWN, "limits": kept["limits"]})) != ""
    for key, value in kept.items():
        assert claim_problem(own(recipe, **{**OWN, key: value})).startswith(f"The {key} of the recipe is that of the")


@pytest.mark.parametrize("sentence", [line.strip() for line in GENERAL.strip().splitlines()])
def test_limits_that_are_true_of_every_model_may_be_kept(sentence):
    assert claim_problem(own(read_recipe("ct-to-pet"), **{**OWN, "limits": (sentence,)})) == ""


PUBLISHED = [name for name in preset_files() if name.endswith("published")]


@pytest.mark.parametrize("name", PUBLISHED)
def test_as_published_is_said_only_while_the_settings_are(name):
    assert claim_problem(edited(name)) == ""
    assert claim_problem(edited(name, seed=7, checkpoint_minutes=3)) == ""
    for changes, words in (
        ({"epochs": 101}, "epochs"),
        ({"optimiser": {"learning_rate": 0.01}}, "optimiser"),
        ({"batch_size": 3}, "batch_size"),
        ({"contract": {"body_margin": 3.0}}, "contract"),
        ({"initialisation": "normal" if "cg3d" in name or "ctmr" in name else "torch"}, "initialisation"),
    ):
        problem = claim_problem(edited(name, **changes))
        assert f"preset '{name}', from which your recipe differs ({words})" in problem
        assert "as published" in problem
    if "cg3d" not in name:
        other = edited(name, loss={"l1": 1.0, "mse": 0.0, "adversarial": 0.0}, discriminator=None, epochs=1)
        assert "is that of the preset" in claim_problem(other)
        assert claim_problem(own(other, **OWN)) == ""


def test_a_trained_network_of_the_perceptual_loss_is_not_called_untrained():
    with_vgg = edited("cg3dsrgan-published", loss={"perceptual_weights": "vgg16.safetensors"})
    assert "differs (loss.perceptual_weights) (“Its perceptual loss used an untrained network" in claim_problem(
        with_vgg
    )
    limits = tuple(limit for limit in with_vgg.about.limits if "untrained" not in limit)
    assert claim_problem(own(with_vgg, limits=limits)) == ""


def test_what_names_a_method_stays_while_the_method_does():
    assert claim_problem(edited("pix2pix", epochs=3, batch_size=8, augmentation={"shift_pixels": 4})) == ""
    assert "preset 'pix2pix'" in claim_problem(edited("pix2pix", loss={"l1": 1.0}))
    assert "preset 'cyclegan'" in claim_problem(edited("cyclegan", network={"name": "unet-ctmr"}))


@pytest.mark.parametrize("name", sorted(set(preset_files()) - set(BUNDLED)))
def test_a_preset_names_no_authors(name):
    assert read_recipe(name).about.authors == ""


def borrowed() -> About:
    return tiny_recipe().about.model_copy(
        update={
            "authors": BUNDLED["ct-to-pet"].authors,
            "references": (*BUNDLED["ct-to-pet"].references, "Our paper."),
        }
    )


def test_a_card_names_no_authors_data_and_regions_of_a_bundled_model(manifest, tmp_path):
    contract = {**tiny_recipe().contract.model_dump(), "body_region": ["limbs", "pelvis", "trunk", "shoulder"]}
    recipe = tiny_recipe(epochs=1, contract=contract).model_copy(update={"about": borrowed()})
    told: list[str] = []
    package = train(recipe, manifest, tmp_path / "run", device="cpu", progress=Progress(log=told.append))
    metadata = load_model(package).metadata
    assert (metadata.authors, metadata.copyright) == ("Not stated", "Not stated")
    assert metadata.medsynth.contract.body_region == () and "Body region: not stated." in card_text(metadata)
    assert len(metadata.references) == 2 and metadata.references[1] == "Our paper."
    assert [line for line in told if line.startswith("The card states no authors, data references or body regions")]
    stated = recipe.about.model_copy(update={"authors": "Our group"})
    metadata = load_model(publish_run(tmp_path / "run", about=stated, device="cpu").package).metadata
    assert (metadata.authors, metadata.copyright) == ("Our group", "Copyright (c) Our group")
    assert "(the data)" not in str(metadata.references)


def test_publishing_asks_for_the_same_as_the_training(manifest, tmp_path):
    run = tmp_path / "run"
    before = load_model(train(tiny_recipe(epochs=1), manifest, run, device="cpu")).metadata
    for about in BUNDLED.values():
        with pytest.raises(MedSynthError, match="is that of the bundled model"):
            publish_run(run, about=about, device="cpu")
    with pytest.raises(MedSynthError, match="licence of your data is not stated"):
        publish_run(run, about=tiny_recipe().about.model_copy(update={"data_licence": ""}), device="cpu")
    assert load_model(run / "tiny").metadata == before
    others = manifest.with_name("others.csv")
    others.write_text(manifest.read_text().replace("P0,train", "STS_001,train"))
    with pytest.raises(MedSynthError, match="had other cases than the manifest, which differs in 'P0' .train.; give"):
        publish_run(run, data=others, device="cpu")
    changed = read_recipe(run / "recipe.yaml").model_copy(update={"about": BUNDLED["ct-to-pet"]})
    with pytest.raises(MedSynthError, match="bundled model"):
        train(changed, manifest, run, device="cpu", resume=True)


def test_the_model_of_an_experiment_claims_nothing_of_other_data(manifest, tmp_path):
    recipe = tiny_recipe(epochs=1).model_copy(update={"name": "ct-to-pet", "about": BUNDLED["ct-to-pet"]})
    metadata = load_model(train_recipe(recipe, manifest, tmp_path / "run", device="cpu")).metadata
    assert metadata.medsynth.data_licence == "Not stated." and metadata.authors == "Not stated"
    assert claim_problem(own(recipe, title=metadata.medsynth.title, description=metadata.description, limits=(
        metadata.medsynth.limits), data_licence=metadata.medsynth.data_licence)) == ""  # fmt: skip
