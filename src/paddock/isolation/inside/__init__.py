"""The program between the agent and a runtime: makes the environment's isolation, then becomes the runtime.

Runs on a bare interpreter (`-I -S`), as root where the agent is root. Imports nothing that is not needed for a system
call: each import is part of every cold start.
"""
