"""fedsvc: a federated multi-cluster control service for Kubernetes.

Empty on purpose: importing the generated stubs in `fedsvc.v1` must not pull in any server dependency.
"""
