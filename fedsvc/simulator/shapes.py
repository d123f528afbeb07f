"""The shapes of the built-in kinds: which of their lists are keyed, sets, or replaced whole.

Written from the API reference (markers ``listType``, ``listMapKey``, ``mapType``, ``patchMergeKey``). Lists that are not
named here are atomic, objects are granular.
"""

from fedsvc.simulator.schema import ATOMIC, SET, STRUCT, Schema, Shape, keyed, struct

_STRINGS = Schema(shape=Shape.MAP, element=ATOMIC)

METADATA = struct(
    labels=_STRINGS,
    annotations=_STRINGS,
    finalizers=Schema(shape=Shape.SET, merge_key="*"),
    ownerReferences=keyed("uid", element=ATOMIC),
)
CONDITIONS = keyed("type")

_PROTOCOL = {"protocol": "TCP"}
_ENV_VALUE = struct(configMapKeyRef=ATOMIC, secretKeyRef=ATOMIC, fieldRef=ATOMIC, resourceFieldRef=ATOMIC)
_RESOURCES = struct(limits=_STRINGS, requests=_STRINGS)
_CONTAINER = struct(
    env=keyed("name", element=struct(valueFrom=_ENV_VALUE)),
    ports=keyed("containerPort", "protocol", defaults=_PROTOCOL),
    volumeMounts=keyed("mountPath"),
    volumeDevices=keyed("devicePath"),
    resources=_RESOURCES,
)
_VOLUME = struct(
    awsElasticBlockStore=STRUCT,
    csi=struct(nodePublishSecretRef=ATOMIC),
    ephemeral=struct(volumeClaimTemplate=struct(metadata=METADATA, spec=struct(selector=ATOMIC, dataSource=ATOMIC))),
)
POD_SPEC = struct(
    containers=keyed("name", element=_CONTAINER),
    initContainers=keyed("name", element=_CONTAINER),
    ephemeralContainers=keyed("name", element=_CONTAINER),
    volumes=keyed("name", element=_VOLUME),
    imagePullSecrets=keyed("name", element=ATOMIC),
    hostAliases=keyed("ip"),
    topologySpreadConstraints=keyed("topologyKey", "whenUnsatisfiable", element=struct(labelSelector=ATOMIC)),
    nodeSelector=Schema(shape=Shape.MAP, element=ATOMIC),
    overhead=_STRINGS,
)
POD_TEMPLATE = struct(metadata=METADATA, spec=POD_SPEC)
_WORKLOAD = struct(
    metadata=METADATA,
    spec=struct(selector=ATOMIC, template=POD_TEMPLATE),
    status=struct(conditions=CONDITIONS),
)
_JOB_SPEC = struct(selector=ATOMIC, template=POD_TEMPLATE)
_DATA = struct(metadata=METADATA, data=_STRINGS, binaryData=_STRINGS, stringData=_STRINGS)
_LOAD_BALANCER = struct(loadBalancer=struct(ingress=ATOMIC), conditions=CONDITIONS)
_DEFAULT = struct(metadata=METADATA, status=struct(conditions=CONDITIONS))

# By (group, kind). Kinds that are not here have only metadata and status.conditions told apart.
_SHAPES: dict[tuple[str, str], Schema] = {
    ("", "ConfigMap"): _DATA,
    ("", "Secret"): _DATA,
    ("", "Namespace"): struct(metadata=METADATA, spec=struct(finalizers=ATOMIC), status=struct(conditions=CONDITIONS)),
    ("", "Node"): struct(
        metadata=METADATA,
        spec=struct(podCIDRs=SET, taints=ATOMIC),
        status=struct(conditions=CONDITIONS, addresses=keyed("type"), capacity=_STRINGS, allocatable=_STRINGS),
    ),
    ("", "PersistentVolume"): struct(metadata=METADATA, spec=struct(capacity=_STRINGS, claimRef=STRUCT)),
    ("", "PersistentVolumeClaim"): struct(
        metadata=METADATA,
        spec=struct(selector=ATOMIC, dataSource=ATOMIC, resources=_RESOURCES),
        status=struct(conditions=CONDITIONS, capacity=_STRINGS),
    ),
    ("", "Pod"): struct(
        metadata=METADATA,
        spec=POD_SPEC,
        status=struct(conditions=CONDITIONS, podIPs=keyed("ip")),
    ),
    ("", "ReplicationController"): struct(
        metadata=METADATA,
        spec=struct(selector=_STRINGS, template=POD_TEMPLATE),
        status=struct(conditions=CONDITIONS),
    ),
    ("", "ResourceQuota"): struct(
        metadata=METADATA, spec=struct(hard=_STRINGS), status=struct(hard=_STRINGS, used=_STRINGS)
    ),
    ("", "Service"): struct(
        metadata=METADATA,
        spec=struct(
            ports=keyed("port", "protocol", defaults=_PROTOCOL),
            selector=_STRINGS,
            clusterIPs=ATOMIC,
            ipFamilies=ATOMIC,
        ),
        status=_LOAD_BALANCER,
    ),
    ("", "ServiceAccount"): struct(metadata=METADATA, secrets=keyed("name", element=STRUCT), imagePullSecrets=ATOMIC),
    ("apps", "DaemonSet"): _WORKLOAD,
    ("apps", "Deployment"): _WORKLOAD,
    ("apps", "ReplicaSet"): _WORKLOAD,
    ("apps", "StatefulSet"): struct(
        metadata=METADATA,
        spec=struct(selector=ATOMIC, template=POD_TEMPLATE, volumeClaimTemplates=ATOMIC),
        status=struct(conditions=CONDITIONS),
    ),
    ("batch", "Job"): struct(metadata=METADATA, spec=_JOB_SPEC, status=struct(conditions=CONDITIONS)),
    ("batch", "CronJob"): struct(
        metadata=METADATA,
        spec=struct(jobTemplate=struct(metadata=METADATA, spec=_JOB_SPEC)),
        status=struct(active=ATOMIC),
    ),
    ("networking.k8s.io", "Ingress"): struct(
        metadata=METADATA,
        spec=struct(rules=ATOMIC, tls=ATOMIC),
        status=struct(loadBalancer=struct(ingress=ATOMIC)),
    ),
    ("networking.k8s.io", "NetworkPolicy"): struct(metadata=METADATA, spec=struct(podSelector=ATOMIC)),
    ("policy", "PodDisruptionBudget"): struct(
        metadata=METADATA, spec=struct(selector=ATOMIC), status=struct(conditions=CONDITIONS)
    ),
    ("rbac.authorization.k8s.io", "ClusterRole"): struct(metadata=METADATA, rules=ATOMIC),
    ("storage.k8s.io", "StorageClass"): struct(metadata=METADATA, parameters=_STRINGS),
}


def builtin_shape(group: str, kind: str) -> Schema:
    """The shape of a built-in kind."""
    return _SHAPES.get((group, kind), _DEFAULT)


def custom_shape(schema: Schema) -> Schema:
    """The shape of a custom kind: what its definition says, with the metadata every kind has."""
    if schema.shape is Shape.STRUCT:
        return Schema(shape=Shape.STRUCT, fields={**schema.fields, "metadata": METADATA})
    return Schema(shape=Shape.MAP, fields={"metadata": METADATA})
