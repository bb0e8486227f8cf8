"""Augmented images are changed with their labels, and the same each time."""

import numpy as np
import pytest
from discs import classed, discs

from medsynth_core.evaluation.judges.augmentation import augmented
from medsynth_core.evaluation.judges.examples import Examples


def test_labels_move_with_their_lesions():
    examples = discs(6, contrast=8.0)
    made = augmented(examples, 15, 0)
    assert len(made) == 15 and made.patients[:6] == made.patients[6:12] == examples.patients
    for image, label in zip(made.images[:, 0], made.labels, strict=True):
        assert set(np.unique(label)) <= {0, 1}
        if label.any():
            assert image[label != 0].mean() > 5
            assert image[label == 0].mean() < 1.5
    assert not np.array_equal(made.images[:6], made.images[6:12]), "each image of a source is changed in its own way"


def test_the_same_seed_gives_the_same_images():
    examples = discs(4)
    one, again, other = (augmented(examples, 5, seed) for seed in (1, 1, 2))
    assert np.array_equal(one.images, again.images) and np.array_equal(one.labels, again.labels)
    assert not np.array_equal(one.images, other.images)


def test_classes_stay_and_the_field_of_view_moves():
    assert augmented(classed(3), 6, 0).labels.tolist() == [0, 1, 2] * 2
    examples = discs(2)
    field = np.zeros((2, 32, 32), bool)
    field[:, :, :10] = True
    # The image is 100 in the field of view, so that both can be compared.
    made = augmented(Examples(100.0 * field[:, None], examples.labels, field=field), 4, 0)
    assert made.field is not None and made.field.dtype == bool
    for image, seen in zip(made.images[:, 0], made.field, strict=True):
        assert image[seen].mean() > 85 and image[~seen].mean() < 15
    assert not np.array_equal(made.field[:2], field)


def test_no_image_is_made_of_none():
    assert len(augmented(discs(3), 0, 0)) == 0


@pytest.mark.parametrize("kind", [np.float32, np.int16])
def test_the_kind_of_values_stays(kind):
    examples = discs(2)
    made = augmented(Examples((100 * examples.images).astype(kind), examples.labels), 2, 0)
    assert made.images.dtype == kind and made.labels.dtype == examples.labels.dtype
