"""What MedSynth does to an image before and after the network, on NumPy and SimpleITK alone.

Every function does what the one of the same purpose in ``medsynth_core`` does; the tests of MedSynth compare the
voxels. It is repeated here so that a model can run where MedSynth and PyTorch are not installed.
"""
