# Slicer writes here what other extensions need to build against this one; nothing in the package depends on it.
