"""The cluster to be joined, reached with the user's own kubeconfig by the official client package."""

import base64
import contextlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

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

    @property
    def advice(self) -> str:
        """What to do about a refusal, to be put behind the message."""
        return ". Joining and leaving need the rights of an administrator" if self.code == 403 else ""


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
            names = sorted(str(item["name"]) for item in contexts)
        except kubernetes.config.ConfigException as error:
            if kubeconfig is None:
                return cls._in_cluster(str(error))
            raise Failure(f"{kubeconfig} is no kubeconfig: {error}", code=Exit.USAGE) from error
        except Exception as error:  # whatever a file that is no kubeconfig makes the package stumble over
            words = " ".join(str(error).split())
            raise Failure(f"{kubeconfig or 'the kubeconfig'} is no kubeconfig: {words}", code=Exit.USAGE) from error
        wanted = context or str((current or {}).get("name", ""))
        if wanted not in names:
            text = f"the kubeconfig has no context {wanted!r}" if wanted else "the kubeconfig has no current context"
            raise Failure(f"{text}; it has: {', '.join(names) or 'none'}. Choose one with --context", code=Exit.USAGE)
        with _logged_errors() as errors:
            try:
                client = kubernetes.config.new_client_from_config(
                    config_file=file, context=wanted, persist_config=False
                )
            except Exception as error:  # exec plug-ins and auth providers raise whatever they like
                raise Failure(f"logging in by context {wanted} failed: {error}") from error
        made = cls(client, wanted)
        if errors and not made.has_credentials:  # an exec plug-in that fails is only logged by the package
            raise Failure(f"logging in by context {wanted} failed: {'; '.join(errors)}")
        return made

    @classmethod
    def _in_cluster(cls, problem: str) -> "MemberApi":
        import kubernetes.client  # noqa: PLC0415 - as in `load`
        import kubernetes.config  # noqa: PLC0415 - as in `load`

        configuration = kubernetes.client.Configuration()
        try:
            kubernetes.config.load_incluster_config(client_configuration=configuration)
        except kubernetes.config.ConfigException as error:
            text = f"no kubeconfig: {problem}. Give --kubeconfig FILE, or set KUBECONFIG"
            raise Failure(text, code=Exit.USAGE) from error
        return cls(kubernetes.client.ApiClient(configuration), "in-cluster")

    @property
    def has_credentials(self) -> bool:
        """Whether the kubeconfig gave anything to log in with."""
        return bool(self.configuration.auth_settings() or self.configuration.cert_file)

    def proxy_url(self) -> str:
        """The proxy that the kubeconfig names; the one of this machine's environment is no matter of the server."""
        import kubernetes.client  # noqa: PLC0415 - as in `load`

        proxy = str(getattr(self.configuration, "proxy", None) or "")
        of_environment = kubernetes.client.Configuration(host=self.endpoint).proxy
        return "" if proxy == of_environment else proxy

    def close(self) -> None:
        """Give back the connections; a later call opens new ones."""
        self._client.rest_client.pool_manager.clear()

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
        except Exception as error:  # urllib3's tree, and what lies below it
            text = f"the cluster of context {self.context} at {self.endpoint} does not answer: {_plain(error)}"
            raise Failure(text, code=Exit.UNREACHABLE) from error
        try:
            parsed = orjson.loads(answer.data)
        except orjson.JSONDecodeError:
            parsed = {"message": answer.data[:200].decode(errors="replace")}
        reply = Reply(code=answer.status, body=parsed if isinstance(parsed, dict) else {})
        if reply.code == 401:
            raise Failure(f"the cluster of context {self.context} does not know you: {reply.message}. Log in anew")
        return reply

    def apply(self, path: str, manifest: dict[str, Any]) -> Literal["created", "changed", "found"]:
        """Server-side apply, and what it came to.

        Raises:
            Failure: the cluster refuses it.
        """
        before = self.call("GET", path)
        reply = self.call("PATCH", f"{path}?fieldManager={FIELD_MANAGER}&force=true", manifest, content_type=APPLY)
        if reply.code not in (200, 201):
            kind = f"{manifest['kind']} {manifest['metadata']['name']}"
            raise Failure(f"{kind} cannot be made: {reply.message}{reply.advice}")
        if before.code == 404:
            return "created"
        return "found" if _version(before.body) == _version(reply.body) else "changed"

    def items(self, path: str) -> list[dict[str, Any]]:
        """All objects of a collection; none where it is not served.

        Raises:
            Failure: the cluster refuses to list them.
        """
        found: list[dict[str, Any]] = []
        more = ""
        while True:
            separator = "&" if "?" in path else "?"
            reply = self.call("GET", f"{path}{separator}limit=500{more}")
            if reply.code == 404:
                return found
            if reply.code != 200:
                raise Failure(f"you may not list {path.partition('?')[0]}: {reply.message}{reply.advice}")
            found.extend(item for item in reply.body.get("items") or () if isinstance(item, dict))
            token = (reply.body.get("metadata") or {}).get("continue")
            if not token:
                return found
            more = f"&continue={quote(str(token), safe='')}"

    def delete(self, path: str) -> bool:
        """Delete an object; whether it was there.

        Raises:
            Failure: the cluster refuses it.
        """
        reply = self.call("DELETE", path)
        if reply.code not in (200, 202, 404):
            raise Failure(f"{path} cannot be deleted: {reply.message}{reply.advice}")
        return reply.code != 404


def secret_value(body: dict[str, Any], key: str) -> str:
    """A value of a Secret, decoded; empty where it is not there yet."""
    return base64.b64decode((body.get("data") or {}).get(key, "")).decode()


@contextlib.contextmanager
def _logged_errors() -> Iterator[list[str]]:
    """What is logged as an error meanwhile, kept from the terminal."""
    messages: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            messages.append(record.getMessage())

    handler, root = Keep(level=logging.ERROR), logging.getLogger()
    root.addHandler(handler)
    try:
        yield messages
    finally:
        root.removeHandler(handler)


def _plain(error: Exception) -> str:
    """What urllib3 raised, in plain words."""
    from urllib3 import exceptions  # noqa: PLC0415 - comes with the kubernetes package, imported with it

    text = " ".join(str(error).split())
    if isinstance(error, exceptions.NameResolutionError):
        return "the name of its host is not found"
    if isinstance(error, exceptions.NewConnectionError):
        return "nothing listens there" if "refused" in text else text.rpartition("connection: ")[2]
    if isinstance(error, exceptions.TimeoutError):
        return f"nothing came within {TIMEOUT_SECONDS:.0f} s"
    if isinstance(error, exceptions.SSLError):
        return f"no TLS connection ({text.partition(' (_ssl')[0].rpartition('] ')[2] or text})"
    if isinstance(error, exceptions.ProtocolError):
        return "it closed the connection without an answer"
    return text or type(error).__name__


def _version(body: dict[str, Any]) -> str:
    return str(body.get("metadata", {}).get("resourceVersion", ""))
