"""Zones that are kept by providers of octoDNS: Route 53, Cloudflare, Google, Azure, PowerDNS and some forty more."""
