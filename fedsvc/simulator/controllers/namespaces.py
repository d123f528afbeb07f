"""Namespaces: what every one has, emptying one that is deleted, and tokens in Secrets of service accounts."""

import base64
from typing import TYPE_CHECKING

from fedsvc.simulator.registry import Deletion
from fedsvc.simulator.store import Stored

if TYPE_CHECKING:
    from fedsvc.simulator.controllers.runner import Controllers

_TOKEN_TYPE = "kubernetes.io/service-account-token"
_ACCOUNT = "kubernetes.io/service-account.name"
_ACCOUNT_UID = "kubernetes.io/service-account.uid"


def reconcile(controllers: "Controllers", namespace: Stored) -> None:
    """Give a namespace its default service account, or empty and remove it."""
    if namespace.terminating:
        _empty(controllers, namespace)
        return
    kind = controllers.cluster.kind(("", "serviceaccounts"))
    write = controllers.cluster.controller_write()
    if controllers.store.get(kind, namespace.name, "default") is None:
        controllers.registry.create(kind, "v1", namespace.name, {"metadata": {"name": "default"}}, write)
    maps = controllers.cluster.kind(("", "configmaps"))
    authority = controllers.cluster.authority_pem
    if authority and controllers.store.get(maps, namespace.name, "kube-root-ca.crt") is None:
        document = {"metadata": {"name": "kube-root-ca.crt"}, "data": {"ca.crt": authority}}
        controllers.registry.create(maps, "v1", namespace.name, document, write)


def _empty(controllers: "Controllers", namespace: Stored) -> None:
    delay = controllers.timing.namespace_delete_seconds
    if delay > 0 and not controllers.deleted_for(namespace, delay):
        controllers.after(delay, "namespace", namespace.uid)
        return
    for stored in controllers.store.in_namespace(namespace.name):
        if not stored.terminating and controllers.store.by_uid(stored.uid) is stored:
            controllers.registry.delete(stored.kind, stored.namespace, stored.name, Deletion(propagation="Background"))
    if not controllers.store.in_namespace(namespace.name) and not namespace.metadata.get("finalizers"):
        controllers.store.remove(namespace)


def complete_token_secret(controllers: "Controllers", secret: Stored) -> None:
    """Put a lasting token into a Secret that asks for one, as clusters do for clients without TokenRequest."""
    if secret.body.get("type") != _TOKEN_TYPE or (secret.body.get("data") or {}).get("token") or secret.terminating:
        return
    annotations = secret.metadata.get("annotations") or {}
    accounts = controllers.cluster.kind(("", "serviceaccounts"))
    account = controllers.store.get(accounts, secret.namespace, annotations.get(_ACCOUNT, ""))
    if account is None:
        return
    data = {
        **(secret.body.get("data") or {}),
        "token": controllers.cluster.authority.lasting_token(account),
        "namespace": base64.b64encode(secret.namespace.encode()).decode(),
        "ca.crt": base64.b64encode(controllers.cluster.authority_pem.encode()).decode(),
    }
    metadata = {**secret.metadata, "annotations": {**annotations, _ACCOUNT_UID: account.uid}}
    document = {**secret.body, "metadata": metadata, "data": data}
    write = controllers.cluster.controller_write()
    controllers.registry.update(secret.kind, "v1", secret.namespace, secret.name, document, write)
