"""Limits of preserved activity within which uptake can be measured in a synthetic full-dose PET.

This module imports nothing, so that a panel can use it before the packages for inference are installed.
"""

# Fraction of the activity in the body that may be lost or gained without a warning.
ACTIVITY_TOLERANCE = 0.02
# At 1/100 of the dose, 7 % of a whole body's activity is noise in the air; more may be a part of the patient.
OUTSIDE_TOLERANCE = 0.1


def is_activity_kept(ratio: float) -> bool:
    """Return whether uptake may be measured in a synthetic PET.

    Args:
        ratio: ``activity_ratio`` of its provenance: its total activity over that of the input in the body, rounded to
            four decimals.
    """
    return round(abs(ratio - 1), 4) <= ACTIVITY_TOLERANCE


def is_body_complete(outside: float) -> bool:
    """Return whether the activity outside the detected body is low enough to be noise.

    Args:
        outside: ``activity_outside`` of the provenance: the fraction of the input's activity outside the body, 0…1.
    """
    return outside <= OUTSIDE_TOLERANCE
