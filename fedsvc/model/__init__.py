"""The service's nouns: frozen dataclasses without behaviour beyond themselves.

Everything between the borders speaks in these: protobuf is converted in `fedsvc.api.convert`, rows in `fedsvc.store`.
They may import `fedsvc_placement` and `fedsvc.rendering` types, nothing else of ours. Start at `unit`, then `work`.
"""
