"""Joining and leaving, on the user's machine and with the user's kubeconfig, which never travels.

`member` speaks with the cluster, `rights` says what fedsvc may do there, `steps` puts it in, `leaving` takes it out,
`registration` is what the server is told, `waiting` looks what the server makes of it.
"""
