"""Joining and leaving, on the user's machine and with the user's kubeconfig, which never travels.

`member` speaks with the cluster, `rights` says what fedsvc may do there, `steps` puts it in and takes it out.
"""
