"""Traffic in: recorded traces in the formats people have, and drawn shapes; always as invocations per minute.

Files are streamed: memory grows with the days they cover, not with their size.
"""
