"""What a request says of the data is what the recipe says of it."""

from __future__ import annotations

import pytest
from unconditional_recipes import recipe

from medsynth_core import MedSynthError
from medsynth_core.systems.data_needs import DataNeeds, Role
from medsynth_core.worker.data_jobs import _needs


def test_pictures_and_classes_are_those_of_the_recipe():
    wanted = recipe("acgan").needs
    (role,) = wanted.roles
    asked = {"modality": role.modality, "unit": role.unit, "pictures": True, "colours": False, "channel": None}
    request = {"roles": {role.name: asked}, "classes": list(wanted.classes), "sides": [list(s) for s in wanted.sides]}
    assert _needs(request) == wanted and wanted.classes == ("normal", "bacterial", "viral")
    channel = {"modality": "OP", "unit": "1", "pictures": True, "colours": True, "channel": "green"}
    assert _needs({"roles": {"eye": channel}}).roles == (Role("eye", "OP", "1", True, True, "green"),)
    # A request without these keys is one for volumes without classes.
    plain = {"roles": {"ct": {"modality": "CT", "unit": "HU"}}}
    assert _needs(plain) == DataNeeds((Role("ct", "CT", "HU"),))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"roles": {"eye": {"modality": "OP", "channel": "violet"}}},
            "'channel' of the role 'eye' must be one of grey",
        ),
        ({"classes": ["normal", 3]}, "'classes' must be a list of names"),
    ],
)
def test_a_wrong_request_is_refused(changes, words):
    with pytest.raises(MedSynthError, match=words):
        _needs({"roles": {"ct": {"modality": "CT"}}, **changes})
