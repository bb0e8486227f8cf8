"""Image quality metrics on arrays, and the registry that names them."""
