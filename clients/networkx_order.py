# SPDX-License-Identifier: Apache-2.0
"""The tests of networkx that need the order of insertion, run on builtin dicts in another order.

They fail on these, too: so it is the order alone that makes them fail on an AtomicDict.
"""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, KeysView, ValuesView
from importlib import import_module
from pathlib import Path
from typing import Any

from cereggii import AtomicDict

from clients.client import Client, Difference, folder_of, tests_in

ORDER = Difference(
    reason="The order of nodes and edges is not kept, and the result depends on it.",
    shows=r"^(AssertionError: assert|NotAPartition|NetworkXError: `partition` is not a valid"
    "|Failed: DID NOT RAISE NetworkXError)",
    tests=tests_in(
        {
            "algorithms/approximation/tests/test_kcomponents.py": (
                "test_example_1",
                "test_example_1_detail_3_and_4",
                "test_torrents_and_ferraro_graph",
                "test_two_icosahedra_with_connector_nodes",
            ),
            "algorithms/approximation/tests/test_traveling_salesman.py": (
                "test_TSP_incomplete_graph_short_path",
            ),
            "algorithms/bipartite/tests/test_edgelist.py": (
                "test_bipartite_edgelist_consistent_strip_handling",
            ),
            "algorithms/bipartite/tests/test_generators.py": (
                "TestGeneratorsBipartite::test_complete_bipartite_graph",
            ),
            "algorithms/community/tests/test_leiden.py": (
                "test_LFR_communities_across_algos",
                "test_cpm_node_weights_on_G",
                "test_directed_selfloops",
                "test_expected_stable_across_code_changes_cpm",
                "test_weights_matter[modularity]",
            ),
            "algorithms/community/tests/test_louvain.py": (
                "test_modularity_increase",
                "test_petersen",
                "test_quality",
                "test_threshold",
                "test_undirected_selfloops",
                "test_valid_partition",
            ),
            "algorithms/community/tests/test_quality.py": ("test_modularity",),
            "algorithms/isomorphism/tests/test_common.py": (
                "test_monomorphism_count_for_path_in_cycle[ismags_mono-False-DiGraph]",
                "test_monomorphism_count_for_path_in_cycle[ismags_mono-False-Graph]",
                "test_monomorphism_count_for_path_in_cycle[ismags_mono-True-DiGraph]",
                "test_monomorphism_count_for_path_in_cycle[ismags_mono-True-Graph]",
                "test_monomorphism_count_for_path_in_cycle[ismags_mono-True-MultiGraph]",
                "test_monomorphism_count_for_path_in_cycle[vf2_mono-False-DiGraph]",
                "test_monomorphism_count_for_path_in_cycle[vf2_mono-False-Graph]",
                "test_monomorphism_count_for_path_in_cycle[vf2pp_mono-False-DiGraph]",
                "test_monomorphism_count_for_path_in_cycle[vf2pp_mono-False-Graph]",
                "test_monomorphism_path_in_cycle[ismags_SG-False-DiGraph]",
                "test_monomorphism_path_in_cycle[ismags_SG-False-Graph]",
                "test_monomorphism_path_in_cycle[ismags_SG-True-DiGraph]",
                "test_monomorphism_path_in_cycle[ismags_SG-True-Graph]",
                "test_monomorphism_path_in_cycle[vf2_SG-False-DiGraph]",
                "test_monomorphism_path_in_cycle[vf2_SG-False-Graph]",
                "test_monomorphism_path_in_cycle[vf2pp_SG-False-DiGraph]",
                "test_monomorphism_path_in_cycle[vf2pp_SG-False-Graph]",
                "test_morph_triangle_square_2tails[ismags-False-MultiDiGraph]",
                "test_morph_triangle_square_2tails[ismags-False-MultiGraph]",
                "test_morph_triangle_square_2tails[ismags-True-MultiDiGraph]",
                "test_morph_triangle_square_2tails[ismags-True-MultiGraph]",
                "test_morph_triangle_square_2tails[vf2-False-MultiDiGraph]",
                "test_morph_triangle_square_2tails[vf2-False-MultiGraph]",
                "test_morph_triangle_square_2tails[vf2pp-False-MultiDiGraph]",
                "test_morph_triangle_square_2tails[vf2pp-False-MultiGraph]",
            ),
            "algorithms/isomorphism/tests/test_vf2pp.py": (
                "TestGraphISOVF2pp::test_custom_graph1_same_labels",
            ),
            "algorithms/isomorphism/tests/test_vf2pp_helpers.py": (
                "TestCandidateSelection::test_no_covered_neighbors_with_labels[DiGraph]",
                "TestCandidateSelection::test_no_covered_neighbors_with_labels[Graph]",
                "TestCandidateSelection::test_no_covered_neighbors_with_labels[MultiDiGraph]",
                "TestCandidateSelection::test_no_covered_neighbors_with_labels[MultiGraph]",
                "TestNodeOrdering::test_matching_order",
            ),
            "algorithms/tests/test_clique.py": (
                "test_find_cliques[find_cliques-None-expected0]",
                "test_find_cliques[find_cliques_recursive-None-expected0]",
                "test_selfloops[find_cliques]",
                "test_selfloops[find_cliques_recursive]",
            ),
            "algorithms/tests/test_cycles.py": (
                "TestMinimumCycleBasis::test_gh6787_and_edge_attribute_names",
                "TestMinimumCycleBasis::test_petersen_graph",
                "TestMinimumCycleBasis::test_weighted_diamond",
            ),
            "algorithms/tests/test_dag.py": (
                "test_colliders[edgelist1-expected1]",
                "test_v_structures[edgelist1-expected1]",
            ),
            "algorithms/tests/test_richclub.py": ("test_rich_club_zero_division_error",),
            "algorithms/traversal/tests/test_dfs.py": (
                "TestDFS::test_dfs_labeled_edges",
                "TestDepthLimitedSearch::test_dls_labeled_disconnected_edges",
            ),
            "classes/tests/test_multigraph.py": (
                "TestMultiGraph::test_data_multigraph_input",
                "TestMultiGraph::test_non_multigraph_input[dod0-True-edges0]",
                "TestMultiGraph::test_non_multigraph_input[dod1-False-edges1]",
                "TestMultiGraph::test_non_multigraph_input[dod2-False-edges2]",
                "TestMultiGraph::test_non_multigraph_input[dod3-False-edges3]",
                "TestMultiGraph::test_non_multigraph_input[dod4-False-edges4]",
                "TestMultiGraph::test_non_multigraph_input_mgi_none[dod0-edges0]",
                "TestMultiGraph::test_non_multigraph_input_mgi_none[dod1-edges1]",
                "TestMultiGraph::test_non_multigraph_input_mgi_none[dod2-edges2]",
            ),
            "classes/tests/test_special.py": (
                "TestSpecialMultiGraph::test_data_multigraph_input",
                "TestSpecialMultiGraph::test_non_multigraph_input[dod0-True-edges0]",
                "TestSpecialMultiGraph::test_non_multigraph_input[dod1-False-edges1]",
                "TestSpecialMultiGraph::test_non_multigraph_input[dod2-False-edges2]",
                "TestSpecialMultiGraph::test_non_multigraph_input[dod3-False-edges3]",
                "TestSpecialMultiGraph::test_non_multigraph_input[dod4-False-edges4]",
                "TestSpecialMultiGraph::test_non_multigraph_input_mgi_none[dod0-edges0]",
                "TestSpecialMultiGraph::test_non_multigraph_input_mgi_none[dod1-edges1]",
                "TestSpecialMultiGraph::test_non_multigraph_input_mgi_none[dod2-edges2]",
            ),
            "drawing/tests/test_latex.py": ("test_tikz_attributes",),
            "generators/tests/test_joint_degree_seq.py": ("test_directed_joint_degree_graph",),
            "readwrite/tests/test_adjlist.py": (
                "TestGenerateAdjlist::test_directed[DiGraph]",
                "TestGenerateAdjlist::test_directed[MultiDiGraph]",
                "TestGenerateAdjlist::test_with_self_loop",
            ),
            "readwrite/tests/test_graph6.py": (
                "TestToGraph6Bytes::test_roundtrip",
                "TestWriteGraph6::test_roundtrip",
            ),
            "readwrite/tests/test_text.py": (
                "test_collapse_directed",
                "test_collapse_undirected",
                "test_generate_network_text_directed_multi_tree",
                "test_generate_network_text_undirected_multi_tree",
                "test_write_network_text_circular_ladder_graph",
                "test_write_network_text_dorogovtsev_goltsev_mendes_graph",
                "test_write_network_text_graph_max_depth",
                "test_write_network_text_iterative_add_random_directed_edges",
                "test_write_network_text_multiple_sources",
            ),
            "tests/test_relabel.py": (
                "TestRelabel::test_relabel_nodes_orderedgraph",
                "TestRelabel::test_relabel_preserve_node_order_full_mapping_with_copy_false",
                "TestRelabel::test_relabel_preserve_node_order_full_mapping_with_copy_true",
                "TestRelabel::test_relabel_preserve_node_order_partial_mapping_with_copy_true",
            ),
        }
    ),
)

# The factories of the dicts of a graph, by the class that has them.
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


class ReorderedDict(dict[Any, Any]):
    """A builtin dict whose items are shown in the order of an AtomicDict with the same keys."""

    def __iter__(self) -> Iterator[Any]:
        return iter(self._reordered())

    def keys(self) -> KeysView[Any]:  # type: ignore[override]
        """The keys, in that order."""
        return self._reordered().keys()

    def values(self) -> ValuesView[Any]:  # type: ignore[override]
        """The values, in that order."""
        return self._reordered().values()

    def items(self) -> ItemsView[Any, Any]:  # type: ignore[override]
        """The items, in that order."""
        return self._reordered().items()

    def copy(self) -> ReorderedDict:
        """Another one."""
        return ReorderedDict(dict.items(self))

    def _reordered(self) -> dict[Any, Any]:
        # The order in which it iterates. A snapshot may have another order.
        order = AtomicDict([(key, None) for key in dict.__iter__(self)])
        return {key: dict.__getitem__(self, key) for key in order}


def set_factories(factory: type) -> None:
    """Makes this the factory of all dicts of all graphs."""
    networkx: Any = import_module("networkx")
    for graph, names in FACTORIES.items():
        for name in names:
            setattr(getattr(networkx, graph), name, factory)


def put_in_place() -> None:
    """Gives graphs builtin dicts in another order."""
    set_factories(ReorderedDict)


def root() -> Path:
    """Where the package is: its tests are in it."""
    return folder_of("networkx")


CLIENT = Client(
    title="networkx on builtin dicts that are in the order of AtomicDicts",
    suite="networkx, on builtin dicts in another order",
    root=root,
    tests=ORDER.tests,
    put_in_place=put_in_place,
    differences=(ORDER,),
)
