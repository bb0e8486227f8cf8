"""Training recipes: YAML files with all settings of a training."""
