"""The data plane: takes an invocation from a caller, finds it a slot, hands it to an agent and the answer back.

Nothing here queues a synchronous invocation, logs one, or makes a task for one.
"""
