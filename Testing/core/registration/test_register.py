"""Registration recovers known transforms, whatever the contrast, and rejects results that are worse."""

import json
from functools import cache

import numpy as np
import pytest
import SimpleITK as sitk
from scipy.spatial.transform import Rotation

from medsynth_core import Cancelled, MedSynthError, Volume, read_volume
from medsynth_core.registration.quality import agreement, mutual_information
from medsynth_core.registration.register import register, write_registration
from medsynth_core.volume import LPS_TO_RAS

MR_VALUES = {-1000: 0, -90: 900, 55: 400, 700: 60}


def tissue(points):
    """Return HU at points (3, n; RAS mm): an asymmetric body with a bone and a lump."""
    x, y, z = points
    hu = np.full(points.shape[1], -1000)
    hu[(x / 42) ** 2 + ((y - 0.1 * z) / 30) ** 2 < 1] = -90
    hu[((x - 3) / 34) ** 2 + (y / 22) ** 2 < 1] = 55
    hu[((x - 14) / 7) ** 2 + ((y - 4 + 0.15 * z) / 8) ** 2 < 1] = 700
    hu[((x + 15) / 8) ** 2 + ((y + 6) / 6) ** 2 + ((z - 6) / 12) ** 2 < 1] = -90
    return hu


def grid(shape, spacing):
    """Return the matrix of an axial grid about the origin, and its points (3, n)."""
    matrix = LPS_TO_RAS @ np.diag([*spacing, 1.0])
    matrix[:3, 3] = -matrix[:3, :3] @ ((np.array(shape[::-1]) - 1) / 2)
    index = np.indices(shape).reshape(3, -1)[::-1]
    return matrix, matrix[:3, :3] @ index + matrix[:3, 3:]


def motion(degrees, shift):
    """Return a 4×4 rigid transform (RAS)."""
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler("xyz", degrees, degrees=True).as_matrix()
    matrix[:3, 3] = shift
    return matrix


def ct_phantom(shape=(26, 72, 96), spacing=(1.0, 1.0, 3.0), seed=0):
    matrix, points = grid(shape, spacing)
    hu = tissue(points).reshape(shape) + np.random.default_rng(seed).normal(0, 15, shape)
    return Volume(hu.astype(np.int16), matrix, "CT", "HU")


def mr_phantom(moved=None, shape=(24, 64, 84), spacing=(1.2, 1.2, 2.5), seed=1):
    """Return an MR image of the patient after a rigid transform (RAS)."""
    matrix, points = grid(shape, spacing)
    back = np.linalg.inv(np.eye(4) if moved is None else moved)
    hu = tissue(back[:3, :3] @ points + back[:3, 3:])
    signal = np.select([hu == key for key in MR_VALUES], list(MR_VALUES.values())).reshape(shape).astype(np.float32)
    noise = np.random.default_rng(seed).normal(0, 12, (2, *shape))
    return Volume(np.hypot(signal + noise[0], noise[1]).astype(np.float32), matrix, "MR")


def residual(found, expected, fixed):
    """Return the largest distance in mm between the body corners mapped by two fixed → moving matrices (LPS)."""
    corners = np.array(np.meshgrid((-40, 40), (-28, 28), (-30, 30))).reshape(3, -1)
    corners = np.vstack([corners, np.ones(corners.shape[1])])
    return np.linalg.norm(((found - expected) @ corners)[:3], axis=0).max()


# A motion that several tests look at.
SOME = ((3, -2, 6), (7, -5, 4))


@cache
def registered(degrees, shift):
    """Return the registration of the MR image of a patient who has moved to their CT."""
    return register(ct_phantom(), mr_phantom(motion(degrees, shift)))


@pytest.mark.slow
@pytest.mark.parametrize(("degrees", "shift"), [((0, 0, 0), (0, 0, 0)), SOME, ((-5, 6, -14), (-18, 14, -9))])
def test_a_known_motion_is_recovered_between_images_of_different_contrast(degrees, shift):
    fixed, moved, found = ct_phantom(), motion(degrees, shift), registered(degrees, shift)
    assert residual(found.lps_matrix, LPS_TO_RAS @ moved @ LPS_TO_RAS, fixed) < 1.0
    assert found.after.body_dice > 0.95
    assert found.moved.same_grid(fixed) and found.moved.modality == "MR"
    if any(shift):
        assert found.note == ""
        assert found.after.mutual_information > found.before.mutual_information + 0.1


@pytest.mark.slow
def test_the_moved_image_is_resampled_and_filled_outside_its_field_of_view():
    fixed, found = ct_phantom(), registered(*SOME)
    expected = mr_phantom(shape=fixed.shape, spacing=fixed.spacing, seed=9)
    inside = found.covered & (tissue(grid(fixed.shape, fixed.spacing)[1]).reshape(fixed.shape) == 55)
    assert abs(np.median(found.moved.voxels[inside]) - np.median(expected.voxels[inside])) < 5
    assert not found.covered.all() and (found.moved.voxels[~found.covered] == found.moved.voxels.min()).mean() > 0.9


@pytest.mark.slow
def test_images_that_do_not_overlap_are_first_aligned_by_their_centres():
    moving = mr_phantom(motion((0, 0, 5), (2, 1, 0)))
    far = motion((0, 0, 0), (400, -300, 1000))
    found = register(ct_phantom(), moving.replace(ijk_to_ras=far @ moving.ijk_to_ras))
    assert found.before is None
    expected = far @ motion((0, 0, 5), (2, 1, 0))
    assert residual(found.lps_matrix, LPS_TO_RAS @ expected @ LPS_TO_RAS, ct_phantom()) < 1.5


@pytest.mark.slow
def test_the_same_images_give_the_same_result():
    first, second = registered(*SOME), register(ct_phantom(), mr_phantom(motion(*SOME)))
    # Threads add up numbers in the order in which they finish.
    assert np.allclose(first.lps_matrix, second.lps_matrix, atol=1e-3)
    assert np.abs(first.moved.voxels - second.moved.voxels).max() < 1


def test_a_registration_that_makes_the_agreement_worse_is_rejected(monkeypatch):
    """Simulate an optimizer that diverges, as can happen when images share little content."""
    from medsynth_core.registration import register as registration

    def astray(images, start, progress):
        start.SetTranslation((25.0, 10.0, 0.0))
        return start

    monkeypatch.setattr(registration, "optimize_rigid", astray)
    moving = mr_phantom()
    found = register(ct_phantom(), moving)
    assert np.array_equal(found.lps_matrix, np.eye(4)) and "rejected" in found.note
    assert found.after == found.before


def test_an_image_on_the_fixed_grid_is_copied_if_it_is_not_moved(monkeypatch):
    from medsynth_core.registration import register as registration

    monkeypatch.setattr(registration, "optimize_rigid", lambda images, start, progress: images.unmoved())
    fixed = ct_phantom()
    moving = mr_phantom(shape=fixed.shape, spacing=fixed.spacing)
    assert np.array_equal(register(fixed, moving).moved.voxels, moving.voxels)


@pytest.mark.slow
def test_a_deformed_image_agrees_better_after_deformable_refinement(monkeypatch):
    from medsynth_core.registration import register as registration

    monkeypatch.setattr(registration, "optimize_rigid", lambda images, start, progress: images.unmoved())
    fixed = ct_phantom()
    matrix, points = grid((24, 64, 84), (1.2, 1.2, 2.5))
    points = points + np.array([[5.0], [0.0], [0.0]]) * np.sin(points[1] / 15)
    hu = tissue(points)
    signal = np.select([hu == key for key in MR_VALUES], list(MR_VALUES.values())).reshape(24, 64, 84)
    moving = Volume(signal.astype(np.float32), matrix, "MR")
    rigid, bent = register(fixed, moving), register(fixed, moving, deformable=True)
    assert bent.after.mutual_information > rigid.after.mutual_information + 0.02
    assert bent.transform.GetName() == "CompositeTransform" and np.allclose(
        bent.lps_matrix, rigid.lps_matrix, atol=1e-3
    )
    resampled = sitk.Resample(moving.to_sitk(), fixed.to_sitk(), bent.transform, sitk.sitkLinear, 0.0)
    assert np.abs(sitk.GetArrayFromImage(resampled) - bent.moved.voxels).max() < 1e-3


@pytest.mark.slow
def test_transform_and_quality_are_written_to_files(tmp_path):
    found = registered(*SOME)
    transform, record = write_registration(found, tmp_path, "mr_to_ct")
    read = sitk.ReadTransform(str(transform))
    point = (11.0, -7.0, 5.0)
    assert np.allclose(read.TransformPoint(point), (found.lps_matrix @ [*point, 1])[:3], atol=1e-6)
    told = json.loads(record.read_text())
    assert told["quality"]["after"]["body_dice"] == found.after.body_dice
    assert told["settings"]["bins"] == 50 and told["versions"]["SimpleITK"]


def test_registration_can_be_cancelled():
    def stop(fraction, message):
        if fraction > 0.3:
            raise Cancelled

    with pytest.raises(Cancelled):
        register(ct_phantom(), mr_phantom(), progress=stop)


def test_images_that_cannot_be_registered_are_refused():
    with pytest.raises(MedSynthError, match="The moving image has only 3 voxels"):
        register(ct_phantom(), mr_phantom(shape=(3, 64, 84)))
    sheared = ct_phantom()
    matrix = sheared.ijk_to_ras.copy()
    matrix[1, 2] += 1.0
    with pytest.raises(MedSynthError, match="not perpendicular"):
        register(sheared.replace(ijk_to_ras=matrix), mr_phantom())


def test_agreement_is_best_for_aligned_images():
    fixed, moving = ct_phantom(), mr_phantom()
    found = [
        agreement(fixed, moving.replace(ijk_to_ras=motion((0, 0, 0), (shift, 0, 0)) @ moving.ijk_to_ras))
        for shift in (0, 4, 12, 30)
    ]
    for measure in ("mutual_information", "body_dice", "covered"):
        values = [getattr(one, measure) for one in found]
        assert values == sorted(values, reverse=True)
    assert found[0].body_dice > 0.95
    assert agreement(fixed, moving.replace(ijk_to_ras=motion((0, 0, 0), (500, 0, 0)) @ moving.ijk_to_ras)) is None


def test_mutual_information_is_the_entropy_for_equal_values_and_zero_for_independent_ones():
    values = np.arange(100_000) % 50
    assert abs(mutual_information(values, -values) - np.log(50)) < 0.01
    assert mutual_information(values, np.random.default_rng(0).permutation(values)) < 0.02


@pytest.mark.slow
def test_a_real_mr_image_is_registered_back_to_its_position(shared_data):
    case = shared_data / "sts" / "STS_002"
    ct, mr = read_volume(case / "ct.nii.gz", "CT", "HU"), read_volume(case / "mr_t1.nii.gz", "MR")
    middle = (mr.ijk_to_ras @ [*(np.array(mr.shape[::-1]) / 2), 1])[:3]
    moved = motion((4, -3, 8), (14, -10, 6))
    moved[:3, 3] += middle - moved[:3, :3] @ middle
    where_it_was = register(ct, mr)
    found = register(ct, mr.replace(ijk_to_ras=moved @ mr.ijk_to_ras))
    points = np.array(np.meshgrid(*[(0, n - 1) for n in mr.shape[::-1]])).reshape(3, -1)
    points = LPS_TO_RAS @ mr.ijk_to_ras @ np.vstack([points, np.ones(8)])
    expected = LPS_TO_RAS @ moved @ LPS_TO_RAS @ where_it_was.lps_matrix
    # Voxels are 0.98 × 0.98 × 3.27 mm.
    assert np.linalg.norm(((found.lps_matrix - expected) @ points)[:3], axis=0).max() < 3.27
    assert found.after.mutual_information > found.before.mutual_information + 0.1
