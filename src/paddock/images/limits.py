"""The bounds of images, each with its reason."""

MAX_UNPACKED_BYTES = 10 * 1024**3
"""Of all layers of an image, uncompressed (Lambda quotas: 10 GB)."""
MAX_BLOB_BYTES = 10 * 1024**3
"""A compressed layer is not larger than what may come out of it."""
MAX_MANIFEST_BYTES = 4 * 1024**2
"""What registries take (OCI distribution specification: at least 4 MiB)."""
MAX_CONFIG_BYTES = 8 * 1024**2
"""History of some thousand build steps fits."""
MAX_LAYERS = 127
"""Docker's and the kernel's habit; no builder makes more."""
MAX_INDEX_ENTRIES = 1024
MAX_INDEX_DEPTH = 2
"""An index of indexes is legal; more is a loop."""
MAX_ENTRIES = 1_000_000
"""Files of an image: several times what the largest machine learning images hold."""
MAX_PATH_BYTES = 2048
"""Half of what the kernel takes, because directories of our own stand before it."""
MAX_NAME_BYTES = 255
MAX_HEADER_BYTES = 1024 * 1024
"""Of one extended header of an archive: a path and some attributes."""
PIECE_BYTES = 256 * 1024
"""Read and written at once."""

CONNECT_SECONDS = 15.0
"""Of silence of a registry, at any time."""
REQUEST_SECONDS = 60.0
"""For anything but a blob, from the first byte to the last."""
SLOWEST_BYTES_PER_SECOND = 512 * 1024
"""A blob may take a request's time, and then as long as it would at this speed."""
MAX_REDIRECTS = 5
MAX_TOKEN_BYTES = 256 * 1024
BLOBS_AT_ONCE = 3
"""Of one image; more only divides the line."""
IMAGES_AT_ONCE = 2
"""Pulled by one server at the same time; others wait."""
