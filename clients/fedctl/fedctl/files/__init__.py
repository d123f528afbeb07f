"""Files that users write: read (`source`, `yamltree`), converted to messages (`convert`), grouped into what to apply.

Everything here is pure but for reading the files themselves; a problem always knows its file, document and line.
"""
