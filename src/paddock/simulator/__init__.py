"""The decision cores on a virtual clock: an event heap, traces and replays."""
