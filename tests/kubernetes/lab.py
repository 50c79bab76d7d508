"""A lab on a cluster: its machines, its namespace, and what an administrator made for one who runs studies."""

import re
from pathlib import Path

from ruamel.yaml import YAML

PAGE = Path(__file__).resolve().parents[2] / "docs" / "kubernetes.md"
TAINT = {"key": "lab", "value": "brains", "effect": "NoSchedule"}
LABELS = {"lab/zone": "b"}
PLAIN, GPU = {"cpu": "4", "memory": "16Gi"}, {"cpu": "4", "memory": "8Gi", "nvidia.com/gpu": "1"}
OWN = {"labels": LABELS, "taints": [TAINT]}
NODES = {
    **{f"gpu-{number}": {**OWN, "capacity": GPU} for number in range(2)},
    **{f"plain-{number}": {**OWN, "capacity": PLAIN} for number in range(5)},
    "others": {"labels": {}, "taints": [], "capacity": PLAIN | GPU},
}
"""Machines of a lab, which only its own pods may use, and one that is not meant for its pods."""
USER, NAMESPACE = "student", "brains"


def role():
    """Give the rights that the documentation asks for."""
    blocks = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    (found,) = (text for text in blocks if "kind: Role" in text)
    return YAML(typ="safe").load(found)


def prepare(admin):
    """Make what an administrator makes for a lab: namespace, account, priority, and rights of a user."""
    rights = "/apis/rbac.authorization.k8s.io/v1"
    admin.post("/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
    admin.post(f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts", {"metadata": {"name": "tlimb"}})
    admin.post("/apis/scheduling.k8s.io/v1/priorityclasses", {"metadata": {"name": "low"}, "value": -10})
    made = admin.post(f"{rights}/namespaces/{NAMESPACE}/roles", role())
    binding = {
        "metadata": {"name": "studies"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": made["metadata"]["name"]},
        "subjects": [{"kind": "User", "name": USER, "apiGroup": "rbac.authorization.k8s.io"}],
    }
    admin.post(f"{rights}/namespaces/{NAMESPACE}/rolebindings", binding)


def claim(admin, folder, name="study"):
    """Make a volume of a folder, and the claim that is bound to it."""
    many = {"accessModes": ["ReadWriteMany"], "storageClassName": ""}
    volume = {"capacity": {"storage": "10Gi"}, "hostPath": {"path": str(folder)}, **many}
    asked = {"resources": {"requests": {"storage": "10Gi"}}, "volumeName": name, **many}
    admin.post("/api/v1/persistentvolumes", {"metadata": {"name": name}, "spec": volume})
    admin.post(f"/api/v1/namespaces/{NAMESPACE}/persistentvolumeclaims", {"metadata": {"name": name}, "spec": asked})
