"""Expressions over objects: the part of CEL (the Common Expression Language, https://cel.dev) that status rules need.

    compile_expression("status.readyReplicas >= spec.replicas", names=("spec", "status"))

There are: literals, lists and maps; ``a.b``, ``a[b]``, ``a.?b`` and ``orValue``; CEL's operators; ``has``; the macros
``all exists exists_one filter map``; ``size int double string`` and, of strings, ``contains startsWith endsWith``.
There are no regular expressions, times and unsigned integers. What there is means what CEL's specification says,
errors that ``&&`` and ``||`` absorb included.

Every step of an evaluation is counted and an expression that takes too many is ended, so none holds up anybody.
"""

from fedsvc.rendering.cel.evaluate import MAX_STEPS, Budget, Expression, compile_expression
from fedsvc.rendering.cel.syntax import MAX_LENGTH, CelError

__all__ = ["MAX_LENGTH", "MAX_STEPS", "Budget", "CelError", "Expression", "compile_expression"]
