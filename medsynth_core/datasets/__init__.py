"""What models are trained with: the manifest of cases, how it is made, divided among splits and checked."""
