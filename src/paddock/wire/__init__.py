"""What our processes say to each other: frames on a stream, messages in frames. Versioned; no logic, no I/O.

`PROTOCOL_VERSION` goes up when a message changes in a way an older reader would misread.
"""

PROTOCOL_VERSION = 1
