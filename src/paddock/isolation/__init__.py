"""How far an execution environment is shut off: a ladder of rungs, the strongest that a self-test proves.

Start at `ladder`. Nothing is imported here, because the program that shuts a process off (`inside`) starts with this
package and must be up in milliseconds.
"""
