"""Helpers that tests and benchmarks share: real control planes as child processes, and what a kubelet would do.

Never imported by the service. Start at :mod:`fedsvc.testing.control_plane`.
"""
