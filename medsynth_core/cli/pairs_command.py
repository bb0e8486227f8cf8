"""``medsynth pairs``: prepare training data, from folders to a checked manifest."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from medsynth_core.cli.output import AsJson, complain, named_values, print_json, print_table, progress_bar, say
from medsynth_core.errors import ExitStatus

app = typer.Typer(help="Prepare pairs of images for training.", no_args_is_help=True)

Manifest = Annotated[Path, typer.Argument(help="Manifest: CSV with columns case, split and one per role.")]


@app.command()
def build(
    root: Annotated[
        Path,
        typer.Argument(
            help="Folder with images: a public data set such as BraTS or DRIVE; one folder per case, BIDS, nnU-Net or "
            "SynthRAD; or with DICOM studies."
        ),
    ],
    output: Annotated[Path, typer.Argument(help="Manifest to write (.csv); DICOM is converted to NIfTI beside it.")],
    role: Annotated[
        list[str] | None,
        typer.Option(
            help="ROLE=PATTERN of the file name (ct=*ct*.nii*) or, with --dicom, ROLE=MODALITY (ct=CT), which may be "
            "followed by a pattern of the series description (mr=MR:*T1*); repeat for each role. Without it, public "
            "data sets are recognised."
        ),
    ] = None,
    dicom: Annotated[bool, typer.Option("--dicom", help="Read DICOM studies instead of image files.")] = False,
    unpaired: Annotated[
        bool, typer.Option("--unpaired", help="Accept cases in which some roles are missing (CycleGAN).")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Write a manifest of the cases in a folder; splits are assigned later, except those of a public data set."""
    from medsynth_core.datasets.dicom_studies import cases_from_dicom
    from medsynth_core.datasets.folders import cases_from_folders
    from medsynth_core.datasets.known_sets import cases_of_known_set
    from medsynth_core.datasets.manifest import check_manifest_place, write_manifest
    from medsynth_core.datasets.splitting import next_step
    from medsynth_core.io.atomic import check_new

    roles = named_values(role or [], "PATTERN", "ct=*ct*.nii* or ct=CT")
    check_manifest_place(output)
    check_new(output)
    with progress_bar(as_json) as progress:
        if dicom:
            cases = cases_from_dicom(root, roles, output.parent, progress)
        elif not roles:
            cases = cases_of_known_set(root, output.parent, paired=not unpaired, progress=progress)
        else:
            cases = cases_from_folders(root, roles, paired=not unpaired, progress=progress)
    write_manifest(cases, output)
    if as_json:
        patients = {case.name: case.patient for case in cases}
        print_json({"manifest": str(output), "cases": list(patients), "patients": patients})
        return
    say(f"{output} lists {len(cases)} cases{next_step(cases, output)}")


@app.command()
def split(
    manifest: Manifest,
    output: Annotated[
        Path | None, typer.Option(help="Manifest to write; the input manifest is replaced by default.")
    ] = None,
    shares: Annotated[
        tuple[float, float, float],
        typer.Option(help="Fractions of the patients in train, val and test; their sum is 1."),
    ] = (0.7, 0.15, 0.15),
    seed: Annotated[int, typer.Option(help="Seed of the random order of patients.")] = 0,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the splits of cases that already have one.")] = False,
    recipe: Annotated[
        Path | None, typer.Option(help="Recipe: patients without all images that it pairs go into train (CycleGAN).")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Divide the patients of a manifest into train, val and test."""
    from medsynth_core.datasets.splitting import cases_by_split, split_manifest
    from medsynth_core.recipes.recipe import read_recipe

    needs = read_recipe(recipe).needs if recipe else None
    listed = cases_by_split(split_manifest(manifest, output, shares=shares, seed=seed, keep=keep, needs=needs))
    target = output or manifest
    if as_json:
        print_json({"manifest": str(target), "splits": listed})
        return
    print_table(["split", "cases", "names"], [[name, str(len(of)), ", ".join(of)] for name, of in listed.items()])
    say(f"Written to {target}")


@app.command()
def check(
    recipe: Annotated[Path, typer.Argument(help="Recipe: YAML file or name of a preset.")],
    data: Annotated[Path, typer.Option(help="Manifest: CSV with columns case, split and one per role.")],
    as_json: AsJson = False,
) -> None:
    """Find cases that are unusable or doubtful for training; exit status 2 if the data cannot be used."""
    from medsynth_core.datasets.checks import check_data
    from medsynth_core.recipes.recipe import read_recipe

    needs = read_recipe(recipe).needs
    with progress_bar(as_json) as progress:
        checks = check_data(data, needs, progress)
    if as_json:
        error = {"error": {"kind": "input", "message": checks.refusal, "hint": ""}} if checks.refusal else {}
        print_json({**checks.to_dict(), **error})
    else:
        print_table(*checks.table())
        say(", ".join(f"{count} {state}" for state, count in checks.counts.items()))
        for note in checks.notes:
            say(note)
    if checks.refusal:
        complain(checks.refusal)
        raise typer.Exit(ExitStatus.USER_MISTAKE)


@app.command()
def register(
    manifest: Manifest,
    output_dir: Annotated[
        Path, typer.Argument(help="Folder for the registered images, transforms and a new manifest.")
    ],
    fixed: Annotated[str, typer.Option(help="Role of the fixed image.")],
    moving: Annotated[str, typer.Option(help="Role of the moving image.")],
    fixed_modality: Annotated[str, typer.Option(help="CT, PT or MR; inferred from the voxel values by default.")] = "",
    moving_modality: Annotated[str, typer.Option(help="CT, PT or MR; inferred from the voxel values by default.")] = "",
    deformable: Annotated[
        bool, typer.Option("--deformable", help="Add a deformable registration after the rigid one.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Register the images of each case; cases that are already registered are skipped."""
    from medsynth_core.datasets.register_cases import PairSettings, new_manifest, register_manifest

    settings = PairSettings(fixed, moving, fixed_modality, moving_modality, deformable)
    target = new_manifest(output_dir)
    with progress_bar(as_json) as progress:
        done = register_manifest(manifest, settings, output_dir, progress)
    if as_json:
        listed = [{"case": one.case.name, "skipped": one.skipped, "quality": one.quality} for one in done]
        print_json({"manifest": str(target), "cases": listed})
        return
    columns = ["case", "MI before", "MI after", "Dice before", "Dice after", "note"]
    print_table(columns, [[one.case.name, *_qualities(one.quality), one.quality["note"]] for one in done])
    say(f"Written to {target}")


def _qualities(quality: dict[str, Any]) -> list[str]:
    values = []
    for measure in ("mutual_information", "body_dice"):
        for when in ("before", "after"):
            found = quality[when]
            values.append(f"{found[measure]:.3f}" if found else "")
    return values
