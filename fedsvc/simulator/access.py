"""Who calls a simulated cluster and what he may: tokens to users, and RBAC objects of the store to rules."""

import base64
import datetime as dt
import time
from collections.abc import Callable
from typing import Any

from fedsvc.simulator import rbac
from fedsvc.simulator.errors import ApiError, unauthorized
from fedsvc.simulator.kinds import Kind, KindKey
from fedsvc.simulator.rbac import AUTHENTICATED, MASTERS, Access, Rule, User
from fedsvc.simulator.store import Body, Event, Store, Stored
from fedsvc.simulator.tokens import ISSUER, Claims, issue, read

ADMIN = User(name="admin", groups=(MASTERS, AUTHENTICATED), uid="admin")
ANONYMOUS = User(name="system:anonymous", groups=("system:unauthenticated",))
_ROLES = frozenset({"roles", "clusterroles"})
_BINDINGS = frozenset({"rolebindings", "clusterrolebindings"})
_PUBLIC_PATHS = frozenset({"/healthz", "/livez", "/readyz", "/version"})
DEFAULT_TOKEN_SECONDS = 3600
SHORTEST_TOKEN_SECONDS = 600


class Authority:
    """Authentication and authorization of one cluster."""

    def __init__(
        self,
        *,
        store: Store,
        kind: Callable[[KindKey], Kind | None],
        now: Callable[[], dt.datetime],
        admin_token: str,
        signing_key: bytes,
    ) -> None:
        self._store = store
        self._kind = kind
        self._now = now
        self.admin_token = admin_token
        self.signing_key = signing_key
        self.generation = 0  # tokens of earlier generations were revoked
        self._users: dict[str, tuple[User, float]] = {}
        self._rules: dict[tuple[str, str], list[Rule]] = {}
        store.listeners.append(self._forget)

    def _forget(self, event: Event) -> None:
        if event.kind.group == rbac.RBAC_GROUP:
            self._rules.clear()
        elif event.kind.key in {("", "serviceaccounts"), ("", "secrets")} and event.after is None:
            self._users.clear()

    def revoke(self) -> None:
        """Make all service-account tokens given so far invalid."""
        self.generation += 1
        self._users.clear()

    def authenticate(self, authorization: str | None) -> User:
        """The user of an Authorization header.

        Raises:
            ApiError: 401 for wrong, expired or revoked credentials.
        """
        if authorization is None:
            return ANONYMOUS
        scheme, _, token = authorization.partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token:
            raise unauthorized()
        if token == self.admin_token:
            return ADMIN
        known = self._users.get(token)
        now = self._now().timestamp()
        if known is not None and known[1] > now:
            return known[0]
        user, until = self._verify(token, now)
        self._users[token] = (user, until)
        return user

    def _verify(self, token: str, now: float) -> tuple[User, float]:
        claims = read(self.signing_key, token)
        if claims is None or claims.generation < self.generation or ISSUER not in claims.audiences:
            raise unauthorized()
        if claims.expires_at is not None and claims.expires_at <= now:
            raise unauthorized()
        account = self._get(("", "serviceaccounts"), claims.namespace, claims.name)
        if account is None or account.uid != claims.uid:
            raise unauthorized()
        user = User(
            name=rbac.service_account_user(claims.namespace, claims.name),
            groups=("system:serviceaccounts", f"system:serviceaccounts:{claims.namespace}", AUTHENTICATED),
            uid=claims.uid,
        )
        return user, float(claims.expires_at) if claims.expires_at is not None else now + 10 * 365 * 86400

    def request_token(self, account: Stored, request: dict[str, Any]) -> dict[str, Any]:
        """Answer a TokenRequest (authentication.k8s.io/v1).

        Raises:
            ApiError: 422 where the lifetime asked for is too short.
        """
        spec = request.get("spec") or {}
        seconds = spec.get("expirationSeconds") or DEFAULT_TOKEN_SECONDS
        if seconds < SHORTEST_TOKEN_SECONDS:
            field = "spec.expirationSeconds"
            text = f"Invalid value: {seconds}: may not specify a duration less than 10 minutes"
            cause = {"reason": "FieldValueInvalid", "message": text, "field": field}
            details = {"group": "authentication.k8s.io", "kind": "TokenRequest", "causes": [cause]}
            message = f'TokenRequest.authentication.k8s.io "" is invalid: {field}: {text}'
            raise ApiError(422, "Invalid", message, details=details)
        issued = int(self._now().timestamp())
        audiences = tuple(spec.get("audiences") or (ISSUER,))
        token = issue(self.signing_key, self._claims(account, issued, issued + seconds, audiences))
        expires = dt.datetime.fromtimestamp(issued + seconds, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return {
            "kind": "TokenRequest",
            "apiVersion": "authentication.k8s.io/v1",
            "metadata": {"name": account.name, "namespace": account.namespace},
            "spec": {"audiences": list(audiences), "expirationSeconds": seconds, "boundObjectRef": None},
            "status": {"token": token, "expirationTimestamp": expires},
        }

    def lasting_token(self, account: Stored) -> str:
        """A token without expiry, base64 as a Secret of type service-account-token holds it."""
        token = issue(self.signing_key, self._claims(account, int(time.time()), None, (ISSUER,)))
        return base64.b64encode(token.encode()).decode()

    def _claims(self, account: Stored, issued: int, expires: int | None, audiences: tuple[str, ...]) -> Claims:
        return Claims(
            namespace=account.namespace,
            name=account.name,
            uid=account.uid,
            issued_at=issued,
            expires_at=expires,
            generation=self.generation,
            audiences=audiences,
        )

    def check(self, user: User, access: Access) -> None:
        """Let a user do something.

        Raises:
            ApiError: 403 where no rule grants it.
        """
        if not self.may(user, access):
            raise rbac.refusal(user, access)

    def may(self, user: User, access: Access) -> bool:
        """Whether a user may do something."""
        if user.almighty or access.path in _PUBLIC_PATHS:
            return True
        if rbac.allowed(self.rules(user, ""), access):
            return True
        return bool(access.namespace) and rbac.allowed(self.rules(user, access.namespace), access)

    def rules(self, user: User, namespace: str) -> list[Rule]:
        """What a user is granted everywhere (empty namespace), or by the bindings of one namespace."""
        key = (user.name, namespace)
        found = self._rules.get(key)
        if found is None:
            found = self._rules[key] = self._collect(user, namespace)
        return found

    def _collect(self, user: User, namespace: str) -> list[Rule]:
        plural = "rolebindings" if namespace else "clusterrolebindings"
        kind = self._kind((rbac.RBAC_GROUP, plural))
        assert kind is not None
        out: list[Rule] = []
        for binding in self._store.all(kind, namespace):
            subjects = binding.body.get("subjects") or ()
            if any(rbac.subject_matches(subject, user, binding.namespace) for subject in subjects):
                out.extend(self._role_rules(binding.body.get("roleRef") or {}, namespace))
        return out

    def _role_rules(self, reference: Body, namespace: str) -> tuple[Rule, ...]:
        if reference.get("kind") == "Role":
            role = self._get((rbac.RBAC_GROUP, "roles"), namespace, reference.get("name", ""))
        else:
            role = self._get((rbac.RBAC_GROUP, "clusterroles"), "", reference.get("name", ""))
        return rbac.parse_rules(role.body if role is not None else None)

    def check_escalation(self, kind: Kind, old: Stored | None, body: Body, user: User) -> None:
        """Refuse a role or binding that grants more than its writer has.

        Raises:
            ApiError: 403 with the rights that are missing.
        """
        if user.almighty or kind.group != rbac.RBAC_GROUP:
            return
        namespace = body["metadata"].get("namespace", "")
        name = body["metadata"]["name"]
        if kind.plural in _ROLES:
            if old is not None and old.body.get("rules") == body.get("rules"):
                return
            verb, wanted, resource, subject = "escalate", rbac.parse_rules(body), kind.plural, name
        elif kind.plural in _BINDINGS:
            reference = body.get("roleRef") or {}
            resource = "roles" if reference.get("kind") == "Role" else "clusterroles"
            verb, wanted, subject = "bind", self._role_rules(reference, namespace), reference.get("name", "")
        else:
            return
        access = Access(verb=verb, group=rbac.RBAC_GROUP, resource=resource, namespace=namespace, name=subject)
        if self.may(user, access):
            return
        owned = [*self.rules(user, ""), *(self.rules(user, namespace) if namespace else ())]
        missing = rbac.uncovered(owned, wanted)
        if missing:
            raise rbac.escalation(user, kind.plural, name, missing)

    def _get(self, key: KindKey, namespace: str, name: str) -> Stored | None:
        kind = self._kind(key)
        return None if kind is None else self._store.get(kind, namespace, name)
