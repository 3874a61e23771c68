"""The decisions: pure, synchronous, with `now` and dice as arguments; they know no clock, disk, network or log."""
