"""PostgreSQL: the schema, a module of functions for each noun, the change log, the embedded server.

Rows stop here: what goes in and out are `fedsvc.model`'s dataclasses. May import `fedsvc.model`, `fedsvc.rendering` and
`fedsvc_placement`. Start at `store`, then `units` and `works`.
"""
