"""The gRPC edge: protobuf comes in, domain values go on to the store; nothing here decides anything.

`edge.py` puts the server together; one servicer a file in `services/`; `convert/` is the border between protobuf and
the model; `status.py` turns domain errors into `google.rpc.Status`; `intent/` checks the intent a unit brings.
"""
