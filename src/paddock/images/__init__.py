"""OCI images: where they come from, what they say of themselves, and how their layers become a file system.

No daemon and no other program. Must not know functions, instances nor who asks; `pull.resolve` and `tree.assemble` are
the two ways in.
"""
