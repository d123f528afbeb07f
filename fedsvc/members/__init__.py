"""Access to member clusters: HTTP stops here.

`registry.Members` holds one `registry.Member` a cluster: its `client.MemberClient` (apply, get, list, watch) and its
`discovery.Discovery` (which kinds are served, and at which path). `inspect` and `tokens` are what the health
controller asks.
May import `fedsvc.model`, `fedsvc.rendering` and `fedsvc.errors`. All that a member answers is untrusted:
sizes are capped, and everything that goes wrong leaves as a `errors.MemberError` in plain words.
"""
