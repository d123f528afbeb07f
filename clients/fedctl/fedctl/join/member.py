"""The cluster to be joined, reached with the user's own kubeconfig by the official client package."""

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from fedctl.failures import Exit, Failure

TIMEOUT_SECONDS = 15.0
APPLY = "application/apply-patch+yaml"
FIELD_MANAGER = "fedctl-join"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What the cluster answered."""

    code: int
    body: dict[str, Any]

    @property
    def message(self) -> str:
        """Its own words."""
        return str(self.body.get("message") or f"HTTP {self.code}")


class MemberApi:
    """A cluster as the user's kubeconfig reaches it."""

    def __init__(self, api_client: Any, context: str) -> None:
        self._client = api_client
        self.context = context
        self.configuration = api_client.configuration
        self.endpoint: str = self.configuration.host.rstrip("/")

    @classmethod
    def load(cls, kubeconfig: Path | None, context: str) -> "MemberApi":
        """Read a kubeconfig: tokens, certificates, exec plug-ins; without one, the pod's own service account.

        Raises:
            Failure: there is none, it has no such context, or its way of logging in failed.
        """
        import kubernetes.client  # noqa: PLC0415 - a second of imports that only joining needs
        import kubernetes.config  # noqa: PLC0415 - as above

        file = None if kubeconfig is None else str(kubeconfig)
        if kubeconfig is not None and not kubeconfig.is_file():
            raise Failure(f"there is no kubeconfig {kubeconfig}", code=Exit.USAGE)
        try:
            contexts, current = kubernetes.config.list_kube_config_contexts(config_file=file)
        except kubernetes.config.ConfigException as error:
            if kubeconfig is None:
                configuration = kubernetes.client.Configuration()
                try:
                    kubernetes.config.load_incluster_config(client_configuration=configuration)
                except kubernetes.config.ConfigException:
                    text = f"no kubeconfig: {error}. Give --kubeconfig FILE, or set KUBECONFIG"
                    raise Failure(text, code=Exit.USAGE) from error
                return cls(kubernetes.client.ApiClient(configuration), "in-cluster")
            raise Failure(f"{kubeconfig} is no kubeconfig: {error}", code=Exit.USAGE) from error
        names = sorted(item["name"] for item in contexts)
        wanted = context or (current or {}).get("name", "")
        if wanted not in names:
            text = f"the kubeconfig has no context {wanted!r}" if wanted else "the kubeconfig has no current context"
            raise Failure(f"{text}; it has: {', '.join(names) or 'none'}. Choose one with --context", code=Exit.USAGE)
        try:
            client = kubernetes.config.new_client_from_config(config_file=file, context=wanted, persist_config=False)
        except Exception as error:  # exec plug-ins and auth providers raise whatever they like
            raise Failure(f"logging in by context {wanted} failed: {error}") from error
        return cls(client, wanted)

    def ca_pem(self) -> bytes:
        """The authorities that the kubeconfig trusts; empty: those of the system."""
        data = getattr(self.configuration, "ca_cert_data", None)
        if data:
            return data.encode() if isinstance(data, str) else bytes(data)
        path = self.configuration.ssl_ca_cert
        return Path(path).read_bytes() if path else b""

    def call(self, method: str, path: str, body: Any = None, *, content_type: str = "application/json") -> Reply:
        """Ask the API server.

        Raises:
            Failure: it does not answer, or says that the user is not known.
        """
        headers = {"Accept": "application/json", "Content-Type": content_type}
        for setting in self.configuration.auth_settings().values():
            headers["Authorization"] = setting["value"]
        data = None if body is None else orjson.dumps(body)
        try:
            answer = self._client.rest_client.pool_manager.request(
                method, self.endpoint + path, body=data, headers=headers, timeout=TIMEOUT_SECONDS, retries=False
            )
        except Exception as error:  # urllib3's tree; the text says what it was
            text = f"the cluster of context {self.context} at {self.endpoint} does not answer: {error}"
            raise Failure(text, code=Exit.UNREACHABLE) from error
        try:
            parsed = orjson.loads(answer.data)
        except orjson.JSONDecodeError:
            parsed = {"message": answer.data[:200].decode(errors="replace")}
        reply = Reply(code=answer.status, body=parsed if isinstance(parsed, dict) else {})
        if reply.code == 401:
            raise Failure(f"the cluster of context {self.context} does not know you: {reply.message}. Log in anew")
        return reply

    def apply(self, path: str, manifest: dict[str, Any]) -> bool:
        """Server-side apply; whether the object was new or changed.

        Raises:
            Failure: the cluster refuses it.
        """
        before = self.call("GET", path)
        reply = self.call("PATCH", f"{path}?fieldManager={FIELD_MANAGER}&force=true", manifest, content_type=APPLY)
        if reply.code not in (200, 201):
            kind = f"{manifest['kind']} {manifest['metadata']['name']}"
            raise Failure(f"{kind} cannot be made: {reply.message}. Joining needs the rights of an administrator")
        versions = (_version(before.body), _version(reply.body))
        return before.code == 404 or versions[0] != versions[1]

    def delete(self, path: str) -> bool:
        """Delete an object; whether it was there.

        Raises:
            Failure: the cluster refuses it.
        """
        reply = self.call("DELETE", path)
        if reply.code not in (200, 202, 404):
            raise Failure(f"{path} cannot be deleted: {reply.message}")
        return reply.code != 404


def secret_value(body: dict[str, Any], key: str) -> str:
    """A value of a Secret, decoded; empty where it is not there yet."""
    return base64.b64decode(body.get("data", {}).get(key, "")).decode()


def _version(body: dict[str, Any]) -> str:
    return str(body.get("metadata", {}).get("resourceVersion", ""))
