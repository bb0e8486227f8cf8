"""Public data sets whose images are recognised by the names of their files and folders, without patterns."""
