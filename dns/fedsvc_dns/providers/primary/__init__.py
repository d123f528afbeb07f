"""Our own primary, which secondaries transfer zones from and nobody else is told of. Start at `versions`."""
