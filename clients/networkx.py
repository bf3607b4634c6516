# SPDX-License-Identifier: Apache-2.0
"""networkx and its own tests, with graphs that are made of AtomicDicts.

A graph makes each of its dicts with a factory, which is an attribute of its class, so that a user
can have other dicts. All of them are AtomicDict here, in all classes of graphs.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from cereggii import AtomicDict

from clients.client import Client, folder_of

FACTORIES = {
    "Graph": (
        "graph_attr_dict_factory",
        "node_dict_factory",
        "node_attr_dict_factory",
        "adjlist_outer_dict_factory",
        "adjlist_inner_dict_factory",
        "edge_attr_dict_factory",
    ),
    "MultiGraph": ("edge_key_dict_factory",),
}


def put_in_place() -> None:
    """Makes AtomicDict the factory of all dicts of all graphs."""
    networkx: Any = import_module("networkx")
    for graph, factories in FACTORIES.items():
        for factory in factories:
            setattr(getattr(networkx, graph), factory, AtomicDict)


def root() -> Path:
    """Where the package is: its tests are in it."""
    return folder_of("networkx")


CLIENT = Client(
    title="networkx, with AtomicDict as the factory of each dict of a graph",
    suite="networkx",
    root=root,
    tests=(".",),
    put_in_place=put_in_place,
)
