"""The border between protobuf and the model: one function a type and direction.

`*_message` makes protobuf of the model. `read_*` makes the model of protobuf and notes, with its path, what has no
meaning; what the model allows but the domain does not is judged elsewhere.
"""
