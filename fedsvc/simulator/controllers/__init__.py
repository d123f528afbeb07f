"""What moves by itself in a simulated cluster: workloads, scheduling, addresses, garbage collection.

Level-triggered like the real ones: an event enqueues a key, a reconciler looks at the store and writes what follows.
Start at :mod:`fedsvc.simulator.controllers.runner`.
"""
