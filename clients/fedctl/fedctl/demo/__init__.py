"""`fedctl demo`: simulated clusters, the service and a sample unit, all as child processes with one folder of state.

`stage` brings it up and down, `processes` knows the processes, `simulated` breaks and heals clusters. No server code is
imported here: the processes are started as anybody would start them.
"""
