"""From paths on the command line to documents, each knowing its file, its number in it and its lines."""

import contextlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path as File
from typing import Any

from fedctl.failures import Failure, UsageFailure
from fedctl.files.yamltree import Path, Tree, TreeError, read_trees

SUFFIXES = (".yaml", ".yml", ".json")
_KUSTOMIZATIONS = ("kustomization.yaml", "kustomization.yml", "Kustomization")
_LIST_KIND = re.compile(r"List\Z")
_KUSTOMIZE_SECONDS = 120
_LOGGED = re.compile(r'E\d{4} \S+ +\d+ \S+\] "command failed" err=(?P<quoted>".*")')  # of klog, from kubectl 1.22 on


class InputFailure(Failure):
    """A file is not what it should be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One object that the user wrote."""

    file: str  # as the user named it; "-" is shown as "standard input"
    number: int  # of the document in the file, from 1
    value: dict[str, Any]
    tree: Tree
    base: Path = ()  # where the object lies in the document: the items of a List lie deeper

    def where(self, path: Path = ()) -> str:
        """Return "file:line" of a part of the object, with the number of the document where that helps."""
        number = f" (document {self.number})" if self.number > 1 else ""
        return f"{self.file}:{self.tree.line_of((*self.base, *path))}{number}"


def read_documents(names: Sequence[str], *, recursive: bool = False) -> list[Document]:
    """Read files, folders and standard input ("-").

    Args:
        names: What to read.
        recursive: Whether folders below a folder are read too.

    Raises:
        InputFailure: Something cannot be read, or holds nothing; the message names file, document and line.
    """
    return [document for name in names for document in _read(name, recursive=recursive)]


def read_kustomization(folder: File, *, kubectl: str | None) -> list[Document]:
    """Build a kustomization with `kubectl kustomize` and read what comes out.

    Args:
        folder: Folder with a kustomization.yaml.
        kubectl: Program to call; None where there is none.

    Raises:
        InputFailure: There is no kubectl, or it refuses the folder.
    """
    if not folder.is_dir():
        raise InputFailure(f"{folder}: is no folder; -k takes one with a kustomization.yaml")
    if kubectl is None:
        raise InputFailure(
            f"{folder}: kubectl is not installed, and -k needs it to build kustomizations",
            hint=f"Build it elsewhere and pipe it in:  kustomize build {folder} | fedctl apply -f - ...",
        )
    try:
        done = subprocess.run(  # noqa: S603 - kubectl from PATH, with a folder of the user's own
            [kubectl, "kustomize", str(folder)], capture_output=True, check=False, timeout=_KUSTOMIZE_SECONDS
        )
    except subprocess.TimeoutExpired as error:
        raise InputFailure(f"{folder}: kubectl kustomize took longer than {_KUSTOMIZE_SECONDS} s") from error
    if done.returncode:
        detail = _plain_words(done.stderr.decode(errors="replace").strip())
        raise InputFailure(f"{folder}: kubectl kustomize: {detail}")
    return list(_parse(f"kustomization {folder}", done.stdout.decode()))


def _plain_words(said: str) -> str:
    """Take an error out of what kubectl makes of it: a line of a log, or a line that begins with "error:"."""
    logged = _LOGGED.fullmatch(said)
    if logged is not None:
        with contextlib.suppress(ValueError):
            said = str(json.loads(logged["quoted"]))
    return said.removeprefix("error: ").removeprefix("Error: ")


def _read(name: str, *, recursive: bool) -> Iterator[Document]:
    if name.startswith(("http://", "https://")):
        raise UsageFailure(f"{name}: addresses are not fetched; pipe it in:  curl -fsSL {name} | fedctl apply -f - ...")
    if name == "-":
        yield from _required("standard input", list(_parse("standard input", _decode(name, sys.stdin.buffer.read()))))
        return
    path = File(name)
    if not path.exists():
        raise InputFailure(f"{name}: there is no such file or folder")
    if not path.is_dir():
        yield from _required(name, list(_parse(name, _decode(name, path.read_bytes()))))
        return
    files = _files_of(path, recursive=recursive)
    found = [document for item in files for document in _parse(str(item), _decode(str(item), item.read_bytes()))]
    yield from _required(name, found)


def _files_of(folder: File, *, recursive: bool) -> list[File]:
    """Return the files of a folder that hold manifests; its own first, then those of each folder below."""
    if any((folder / kustomization).exists() for kustomization in _KUSTOMIZATIONS):
        raise InputFailure(f"{folder}: is a kustomization; build it with:  -k {folder}")
    items = sorted(folder.iterdir())
    files = [item for item in items if item.suffix in SUFFIXES and item.is_file()]
    below = [item for item in items if item.is_dir() and not item.is_symlink()]
    if recursive:
        return files + [file for item in below for file in _files_of(item, recursive=True)]
    if not files:
        shown = ", ".join(item.name for item in below[:3]) + (", ..." if len(below) > 3 else "")
        hint = f"Folders below it ({shown}) are read with:  -R" if below else ""
        raise InputFailure(f"{folder}: no file in it ends in {', '.join(SUFFIXES)}", hint=hint)
    return files


def _required(name: str, documents: list[Document]) -> list[Document]:
    if not documents:
        raise InputFailure(f"{name}: is empty: no document in it")
    return documents


def _decode(name: str, data: bytes) -> str:
    try:
        return data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputFailure(f"{name}:{line}: is no UTF-8 text") from error


def _parse(name: str, text: str) -> Iterator[Document]:
    for number, tree in enumerate(_trees(name, text), start=1):
        if tree.value is None:
            continue
        document = Document(file=name, number=number, value={}, tree=tree)
        yield from _expanded(document, tree.value, ())


def _trees(name: str, text: str) -> list[Tree]:
    try:
        return list(read_trees(text))
    except TreeError as error:
        if text.lstrip()[:1] in ("{", "["):  # JSON has escapes that YAML 1.1 does not know
            return [_json_tree(name, text)]
        raise InputFailure(f"{name}:{error.line}:{error.column}: {error.message}") from error


def _json_tree(name: str, text: str) -> Tree:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        read = dict(pairs)
        if len(read) < len(pairs):
            keys = [key for key, _ in pairs]
            twice = next(key for key in keys if keys.count(key) > 1)
            raise InputFailure(f"{name}: key {twice!r} stands twice in an object")
        return read

    def refused(constant: str) -> Any:
        raise InputFailure(f"{name}: {constant} is no JSON")

    try:
        return Tree(value=json.loads(text, object_pairs_hook=unique, parse_constant=refused), line=1, lines={})
    except json.JSONDecodeError as error:
        raise InputFailure(f"{name}:{error.lineno}:{error.colno}: {error.msg[:1].lower()}{error.msg[1:]}") from error
    except RecursionError as error:
        raise InputFailure(f"{name}: nested too deeply") from error


def _expanded(document: Document, value: Any, base: Path) -> Iterator[Document]:
    """Yield the object, or the items of a List of objects."""
    placed = Document(file=document.file, number=document.number, value={}, tree=document.tree, base=base)
    if not isinstance(value, dict):
        what = "a list" if isinstance(value, list) else f"the text {str(value)[:40]!r}"
        raise InputFailure(f"{placed.where()}: an object (apiVersion, kind, metadata ...) is wanted here, not {what}")
    if is_list(value):
        items = value.get("items")
        if not isinstance(items, list):
            raise InputFailure(f"{placed.where()}: `items` of a {value.get('kind')} must be a list")
        for index, item in enumerate(items):
            yield from _expanded(document, item, (*base, "items", index))
        return
    for key in ("apiVersion", "kind"):
        if not isinstance(value.get(key), str) or not value[key]:
            near = next((item for item in value if isinstance(item, str) and item.lower() == key.lower()), None)
            meant = f"; did you mean {key} instead of {near}?" if near else ""
            raise InputFailure(f"{placed.where()}: `{key}` is missing: is this a Kubernetes object?{meant}")
    yield Document(file=document.file, number=document.number, value=value, tree=document.tree, base=base)


def is_list(value: Any) -> bool:
    """Tell whether an object is a List of objects (`kubectl get -o yaml` prints such), not a kind of its own."""
    return (
        isinstance(value, dict)
        and "items" in value
        and isinstance(value.get("kind"), str)
        and _LIST_KIND.search(value["kind"]) is not None
    )
