"""Manifests: what is to be computed, said so that a stranger could compute it.

`canonical` holds the one form of JSON that is digested, `node` a manifest and the graph that manifests make,
`contents` a class for the content of each kind of node, `parts` what contents are made of. `structure` reads JSON
into these classes and writes it, `schema` makes JSON Schema of them.
"""

from tlimb.manifest.canonical import Json, canonical, digest, digest_text
from tlimb.manifest.contents import UNLABELLED, Candidates, Content, Fit, Kind, Predict, Prepare, Select, role_order
from tlimb.manifest.node import Gate, Graph, Manifest
from tlimb.manifest.parts import Component, Facts, Head, Parts, Trainer

__all__ = [
    "UNLABELLED", "Candidates", "Component", "Content", "Facts", "Fit", "Gate", "Graph", "Head", "Json", "Kind",
    "Manifest", "Parts", "Predict", "Prepare", "Select", "Trainer", "canonical", "digest", "digest_text",
    "role_order",
]  # fmt: skip
