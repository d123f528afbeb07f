"""From template, overrides and replicas to the manifest of one cluster; drift of a live object from it; its status.

Pure: no I/O, clock, randomness or logging. May import fedsvc_placement (selectors), orjson and jsonpatch.
Start at `render.render`; `identity` checks what users send, `ownership` tells drift, `status` tells health.
"""
