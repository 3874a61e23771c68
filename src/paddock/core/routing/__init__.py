"""Which execution environment takes an invocation: names to versions, versions to pools, pools to slots.

All state of this package is owned by one router; nothing here waits, sends or measures.
"""
