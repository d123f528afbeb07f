"""Multi-cluster DNS: what record sets zones shall have, how they get to name servers, and a name server of its own.

A library by itself: it knows nothing of the rest of fedsvc. Plans are pure; `providers` and `server` talk to the world.
"""
