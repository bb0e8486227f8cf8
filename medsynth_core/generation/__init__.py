"""Generation of registered images of several modalities with lesion labels, from noise or from a structure map."""
