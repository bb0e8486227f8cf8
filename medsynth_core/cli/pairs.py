"""``medsynth pairs``: the data of a training, from folders to a checked manifest."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from medsynth_core.cli.output import AsJson, print_json, print_table, progress_bar
from medsynth_core.errors import MedSynthError

app = typer.Typer(help="Prepare pairs of images for training.", no_args_is_help=True)

Manifest = Annotated[Path, typer.Argument(help="Manifest: CSV with case, split and a column a role.")]


@app.command()
def build(
    root: Annotated[Path, typer.Argument(help="Folder with a folder a case, or with DICOM studies.")],
    output: Annotated[Path, typer.Argument(help="Manifest to write (.csv); DICOM becomes NIfTI beside it.")],
    role: Annotated[
        list[str],
        typer.Option(
            help="ROLE=PATTERN of its file's name (ct=*ct*.nii*) or, of DICOM, ROLE=MODALITY (ct=CT); repeat."
        ),
    ],
    dicom: Annotated[bool, typer.Option("--dicom", help="Take DICOM studies instead of image files.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write a manifest of the cases in a folder, yet without splits."""
    from medsynth_core.datasets.folders import cases_from_folders
    from medsynth_core.datasets.manifest import write_manifest
    from medsynth_core.datasets.studies import cases_from_dicom
    from medsynth_core.io.atomic import check_place

    roles = _roles(role)
    if output.exists():
        raise MedSynthError(f"{output} is there already; choose another name, or take it away.", kind="output")
    check_place(output)
    with progress_bar(as_json) as progress:
        cases = cases_from_dicom(root, roles, output.parent, progress) if dicom else cases_from_folders(root, roles)
    write_manifest(cases, output)
    if as_json:
        print_json({"manifest": str(output), "cases": [case.name for case in cases]})
        return
    print(f"{output} lists {len(cases)} cases; divide them among splits with: medsynth pairs split {output}")


@app.command()
def split(
    manifest: Manifest,
    output: Annotated[Path | None, typer.Option(help="Manifest to write; the same one by default.")] = None,
    shares: Annotated[
        tuple[float, float, float], typer.Option(help="Of the patients in train, val and test, 1 together.")
    ] = (0.7, 0.15, 0.15),
    seed: Annotated[int, typer.Option(help="Of the order in which patients are drawn.")] = 0,
    keep: Annotated[bool, typer.Option("--keep", help="Leave cases in the split that they have.")] = False,
    as_json: AsJson = False,
) -> None:
    """Divide the patients of a manifest among train, val and test."""
    from medsynth_core.datasets.manifest import SPLITS, read_manifest, write_splits
    from medsynth_core.datasets.splitting import split_cases

    target = output or manifest
    cases = read_manifest(manifest, (), unsplit=True)
    if not (keep or output) and any(case.split for case in cases):
        raise MedSynthError(
            f"The manifest {manifest} has splits already; keep them (--keep), or write new ones into another file "
            "(--output)."
        )
    cases = split_cases(cases, shares, seed, keep=keep)
    write_splits(cases, manifest, target)
    listed = {name: [case.name for case in cases if case.split == name] for name in SPLITS}
    if as_json:
        print_json({"manifest": str(target), "splits": listed})
        return
    print_table(["split", "cases", "names"], [[name, str(len(of)), ", ".join(of)] for name, of in listed.items()])
    print(f"Written to {target}")


@app.command()
def check(
    recipe: Annotated[Path, typer.Argument(help="Recipe: YAML file that says roles, modalities and units.")],
    data: Annotated[Path, typer.Option(help="Manifest: CSV with case, split and a column a role.")],
    as_json: AsJson = False,
) -> None:
    """Look for cases that are useless or misleading to train with; exit status 2 if there are useless ones."""
    from medsynth_core.cli.app import USER_MISTAKE
    from medsynth_core.datasets.checks import check_cases, count_states, table
    from medsynth_core.datasets.manifest import read_manifest, split_of
    from medsynth_core.training.recipe import read_recipe

    loaded = read_recipe(recipe)
    sides = {loaded.input_role: loaded.contract.input, loaded.target_role: loaded.contract.output}
    cases = read_manifest(data, tuple(sides), check_files=False)
    for name in ("train", "val"):
        split_of(cases, name)
    with progress_bar(as_json) as progress:
        checks = check_cases(cases, sides, progress)
    counts = count_states(checks)
    refusal = f"{counts['refused']} of {len(checks)} cases cannot be trained with; mend or remove them."
    if as_json:
        error = {"error": {"kind": "input", "message": refusal, "hint": ""}} if counts["refused"] else {}
        print_json({"cases": [one.to_dict() for one in checks], "counts": counts, **error})
    else:
        print_table(*table(checks))
        print(", ".join(f"{count} {state}" for state, count in counts.items()))
    if counts["refused"]:
        print(refusal, file=sys.stderr)
        raise typer.Exit(USER_MISTAKE)


@app.command()
def register(
    manifest: Manifest,
    output_dir: Annotated[Path, typer.Argument(help="Folder for the moved images, transforms and a new manifest.")],
    fixed: Annotated[str, typer.Option(help="Role that stays where it is.")],
    moving: Annotated[str, typer.Option(help="Role that is moved.")],
    fixed_modality: Annotated[str, typer.Option(help="CT, PT or MR; by the files' values by default.")] = "",
    moving_modality: Annotated[str, typer.Option(help="CT, PT or MR; by the files' values by default.")] = "",
    deformable: Annotated[bool, typer.Option("--deformable", help="Let the moving images also bend.")] = False,
    as_json: AsJson = False,
) -> None:
    """Register the images of every case; what is finished already is not done again."""
    from medsynth_core.datasets.manifest import read_manifest, roles_in
    from medsynth_core.datasets.registering import PairSettings, register_cases

    settings = PairSettings(fixed, moving, fixed_modality, moving_modality, deformable)
    target = output_dir / "manifest.csv"
    if target.exists() and manifest.exists() and target.samefile(manifest):
        raise MedSynthError(f"The new manifest would be written over {manifest}; choose another folder.", kind="output")
    read_manifest(manifest, (fixed, moving), unsplit=True)  # refuses missing files of these roles only
    cases = read_manifest(manifest, roles_in(manifest), check_files=False, unsplit=True)
    with progress_bar(as_json) as progress:
        done = register_cases(cases, settings, output_dir, progress)
    if as_json:
        listed = [{"case": one.case.name, "skipped": one.skipped, "quality": one.quality} for one in done]
        print_json({"manifest": str(target), "cases": listed})
        return
    columns = ["case", "MI before", "MI after", "Dice before", "Dice after", "note"]
    print_table(columns, [[one.case.name, *_qualities(one.quality), one.quality["note"]] for one in done])
    print(f"Written to {target}")


def _roles(given: list[str]) -> dict[str, str]:
    """Return role → pattern or modality."""
    roles = {}
    for one in given:
        role, equals, value = one.partition("=")
        if not (role and equals and value):
            raise MedSynthError(f"The role '{one}' is not of the form ROLE=PATTERN; write ct=*ct*.nii* or ct=CT, say.")
        roles[role] = value
    return roles


def _qualities(quality: dict[str, Any]) -> list[str]:
    values = []
    for measure in ("mutual_information", "body_dice"):
        for when in ("before", "after"):
            found = quality[when]
            values.append(f"{found[measure]:.3f}" if found else "")
    return values
