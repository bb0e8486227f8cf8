"""Examples fit together, and parts of them keep patients together."""

import numpy as np
import pytest
from discs import discs

from medsynth_core import MedSynthError
from medsynth_core.evaluation.judges.examples import Examples, joined, network_values


def test_a_part_has_whole_patients_and_a_smaller_part_lies_in_a_larger_one():
    examples = discs(40)
    some, more = examples.first(8, 3, "real"), examples.first(20, 3, "real")
    assert len(set(some.patients)) == 2 and len(set(more.patients)) == 5
    assert set(some.patients) < set(more.patients)
    assert np.array_equal(more.images[:8], some.images)
    assert {examples.first(8, seed, "real").patients for seed in range(5)} != {some.patients}
    assert len(set(examples.first(9, 3, "real").patients)) == 3, "the last patient with one image"


def test_images_keep_their_labels():
    examples = discs(12)
    part = examples.first(12, 0, "real")
    for image, label, patient in zip(part.images, part.labels, part.patients, strict=True):
        (place,) = np.flatnonzero((examples.images == image).all(axis=(1, 2, 3)))
        assert np.array_equal(examples.labels[place], label) and examples.patients[place] == patient


def test_joined_examples_follow_each_other():
    one, two = discs(4), discs(3, seed=1)
    both = joined([one, two])
    assert np.array_equal(both.images[4:], two.images) and both.patients == one.patients + two.patients
    assert joined([one, Examples(two.images, two.labels)]).patients == ()
    field = np.zeros((3, 32, 32), bool)
    seen = joined([one, Examples(two.images, two.labels, field=field)]).field
    assert seen is not None and seen[:4].all() and not seen[4:].any()
    with pytest.raises(MedSynthError, match="one shape"):
        joined([one, discs(3, side=40)])


def test_the_digest_tells_other_data():
    one = discs(4)
    other = Examples(one.images, one.labels, ("a",) * 4)
    moved = Examples(one.images, np.roll(one.labels, 1), one.patients)
    assert len({one.digest, other.digest, moved.digest, Examples(one.images, one.labels).digest}) == 4
    assert one.digest == discs(4).digest


def test_each_channel_of_each_image_is_standardised():
    images = np.random.default_rng(0).normal(5, 3, (2, 3, 8, 9))
    images[1, 2] = 7.0
    found = network_values(images)
    assert found.dtype == np.float32
    assert found.mean(axis=(2, 3)) == pytest.approx(0, abs=1e-5)
    assert found.std(axis=(2, 3))[0] == pytest.approx(1, abs=1e-5) and not found[1, 2].any()


IMAGES, LABELS = np.zeros((2, 1, 4, 5)), np.zeros((2, 4, 5), int)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ((IMAGES[:, 0], LABELS), "images .n, channels, rows, columns."),
        ((IMAGES, LABELS[:1]), "give these shapes"),
        ((IMAGES, LABELS[:, :3]), "give these shapes"),
        ((IMAGES, LABELS + 0.5), "whole numbers"),
        ((IMAGES, LABELS - 1), "whole numbers"),
        ((IMAGES, LABELS, ("a",)), "2 images, but 1 patients"),
        ((IMAGES, LABELS, (), LABELS[:, :3]), "field of view has the shape"),
        ((IMAGES + np.nan, LABELS), "not finite"),
    ],
)
def test_what_does_not_fit_together_is_refused(given, words):
    with pytest.raises(MedSynthError, match=words):
        Examples(*given)


def test_too_few_images_are_named():
    with pytest.raises(MedSynthError, match="9 synthetic images are needed, but there are 4"):
        discs(4).first(9, 0, "synthetic")
