"""What pyproject.toml cannot say: the folder Resources is installed inside the package, as medsynth_core/bundled."""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["medsynth_core*"]), "medsynth_core.bundled"],
    package_dir={"medsynth_core.bundled": "Resources"},
    package_data={
        "medsynth_core.bundled": [
            "Comparisons/**",
            "Export/**/*.py",
            "FeatureExtractor/**",
            "Models/**",
            "Recipes/**",
            "SampleCase/**",
        ]
    },
)
