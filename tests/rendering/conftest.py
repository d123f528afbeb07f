"""A Deployment as text, so that each test has a fresh one."""

from typing import Any

import pytest

from fedsvc.rendering.canonical import canonical_json


@pytest.fixture
def web() -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "shop", "labels": {"app": "web"}},
        "spec": {
            "replicas": 3,
            "template": {
                "spec": {
                    "initContainers": [{"name": "migrate", "image": "registry:5000/shop/web:1.0"}],
                    "containers": [
                        {"name": "web", "image": "registry:5000/shop/web:1.0", "ports": [{"containerPort": 80}]},
                        {"name": "log", "image": "fluent@sha256:" + "a" * 64},
                    ],
                }
            },
        },
    }


@pytest.fixture
def template(web: dict[str, Any]) -> bytes:
    return canonical_json(web)
