"""Which record sets zones shall have: `plan` decides over snapshots, `difference` says what changes, under a budget.

Pure: no clock, no I/O, no randomness. What a plan leaves in `memory` goes into the next, once it has been applied:

    made = plan(services, topology, observations, Policy(), memory, now)
    change = difference(made.zones[apex], published, zone.budget)
    published = applied(published, change)
    memory = after(made, {apex: published})
"""
