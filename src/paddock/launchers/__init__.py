"""Where managed instances come from: one adapter per technology, all held by one conformance kit."""
