"""Folder trees whose cases and patients are recognised from the paths of the files."""
