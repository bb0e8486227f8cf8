"""Training data: the manifest of cases, how it is created, split and checked."""
