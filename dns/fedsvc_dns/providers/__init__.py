"""How planned record sets get to name servers. Start at `contract`: what every provider does."""
