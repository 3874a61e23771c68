"""`paddock demo`: two ordinary functions under steady traffic on managed instances, and a report. Uses the public API
only.
"""
