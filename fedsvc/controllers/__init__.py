"""What makes the world follow the intent: placement, propagation, collection, status, clean-up, health.

Each controller observes, decides (in a pure module: `planning`, `outcomes`, `observing`, `summary`) and acts; all are
level-triggered, may be killed at any instruction and start again anywhere. May import `fedsvc.store`, `fedsvc.members`,
`fedsvc.model` and the pure packages; never `fedsvc.api`, which they meet in the store alone. Start at `runner`.
"""
