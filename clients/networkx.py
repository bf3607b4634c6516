# SPDX-License-Identifier: Apache-2.0
"""networkx and its own tests, with graphs that are made of AtomicDicts.

A graph makes each of its dicts with a factory, which is an attribute of its class, so that a user
can have other dicts. All of them are AtomicDict here, in all classes of graphs.
"""

from __future__ import annotations

from cereggii import AtomicDict

from clients.client import Client, Difference, tests_in
from clients.networkx_order import ORDER, root, set_factories


def put_in_place() -> None:
    """Makes AtomicDict the factory of all dicts of all graphs."""
    set_factories(AtomicDict)


DIFFERENCES = (
    ORDER,
    Difference(
        reason="The cost of a backtracking search depends on the order of the nodes, which is not"
        " kept: in this one it takes hours.",
        runs=False,
        tests=(
            "algorithms/isomorphism/tests/test_isomorphvf2.py"
            "::TestVF2GraphDB::test_subgraph_monomorphic",
        ),
    ),
    Difference(
        reason="The order of the keys is not kept. Here it depends on the addresses of objects,"
        " so the result is another one in each run.",
        runs=False,
        tests=("algorithms/tests/test_dag.py::TestDAG::test_lexicographical_topological_sort2",),
    ),
    Difference(
        reason="There is no order that `reversed` could reverse. An embedding in the plane is an"
        " order of edges: keep it in a graph of dicts.",
        shows="TypeError: '.*AtomicDict' object is not reversible",
        tests=tests_in(
            {
                "algorithms/tests/test_planar_drawing.py": (
                    "test_circle_graph",
                    "test_graph1",
                    "test_graph2",
                    "test_grid_graph",
                    "test_invalid_half_edge",
                    "test_multiple_component_graph2",
                    "test_three_node_graph",
                    "test_triangulate_embedding2",
                ),
                "algorithms/tests/test_planarity.py": (
                    "TestLRPlanarity::test_comp",
                    "TestLRPlanarity::test_edge_removal_from_planar_embedding",
                    "TestLRPlanarity::test_goldner_harary",
                    "TestLRPlanarity::test_graph1",
                    "TestLRPlanarity::test_graph2",
                    "TestLRPlanarity::test_graph3",
                    "TestLRPlanarity::test_graph_planar_embedding_to_undirected[Graph]",
                    "TestLRPlanarity::test_graph_planar_embedding_to_undirected[MultiGraph]",
                    "TestLRPlanarity::test_k3_3",
                    "TestLRPlanarity::test_k5",
                    "TestLRPlanarity::test_loop",
                    "TestLRPlanarity::test_multiple_components_non_planar",
                    "TestLRPlanarity::test_multiple_components_planar",
                    "TestLRPlanarity::test_non_planar1",
                    "TestLRPlanarity::test_non_planar_digraph",
                    "TestLRPlanarity::test_non_planar_multigraph",
                    "TestLRPlanarity::test_non_planar_with_selfloop",
                    "TestLRPlanarity::test_planar_digraph",
                    "TestLRPlanarity::test_planar_embedding_to_undirected_invalid_parameters[False-True]",
                    "TestLRPlanarity::test_planar_embedding_to_undirected_invalid_parameters[True-False]",
                    "TestLRPlanarity::test_planar_embedding_to_undirected_invalid_parameters[True-True]",
                    "TestLRPlanarity::test_planar_multigraph",
                    "TestLRPlanarity::test_planar_with_selfloop",
                    "TestLRPlanarity::test_simple_planar_graph",
                    "TestPlanarEmbeddingClass::test_add_half_edge",
                    "TestPlanarEmbeddingClass::test_edge_removal",
                    "TestPlanarEmbeddingClass::test_faces_cycle_graph_and_half_edge_partition",
                    "TestPlanarEmbeddingClass::test_faces_disconnected_components_return_component_local_boundary_walks",
                    "TestPlanarEmbeddingClass::test_faces_k4_match_euler_formula",
                    "TestPlanarEmbeddingClass::test_faces_tree_has_single_face_walk_with_repeated_vertices",
                    "TestPlanarEmbeddingClass::test_get_data",
                    "TestPlanarEmbeddingClass::test_invalid_edge_orientation",
                    "TestPlanarEmbeddingClass::test_missing_edge_orientation",
                    "TestPlanarEmbeddingClass::test_missing_half_edge",
                    "TestPlanarEmbeddingClass::test_not_fulfilling_euler_formula",
                ),
                "generators/tests/test_classic.py": (
                    "TestGeneratorClassic::test_dorogovtsev_goltsev_mendes_graph",
                ),
            }
        ),
    ),
    Difference(
        reason="Iteration is weak: it never raises, whatever is inserted or deleted meanwhile.",
        shows="Failed: DID NOT RAISE RuntimeError",
        tests=tests_in(
            {
                "classes/tests/test_function.py": ("test_selfloops_removal_multi[MultiGraph]",),
            }
        ),
    ),
    Difference(
        reason="The repr names the type.",
        shows=r"\n  \+ .*AtomicDict\(",
        tests=tests_in(
            {
                "classes/tests/test_reportviews.py": (
                    "TestEdgeDataView::test_repr",
                    "TestEdgeDataView::test_str",
                    "TestInEdgeDataView::test_repr",
                    "TestInEdgeDataView::test_str",
                    "TestInMultiEdgeDataView::test_repr",
                    "TestInMultiEdgeDataView::test_str",
                    "TestMultiEdgeDataView::test_repr",
                    "TestMultiEdgeDataView::test_str",
                    "TestNodeDataView::test_repr",
                    "TestNodeDataView::test_str",
                    "TestOutEdgeDataView::test_repr",
                    "TestOutEdgeDataView::test_str",
                    "TestOutMultiEdgeDataView::test_repr",
                    "TestOutMultiEdgeDataView::test_str",
                ),
            }
        ),
    ),
    Difference(
        reason="networkx writes the data of an edge as its repr, and reads a dict display: the repr"
        " of an AtomicDict names the type.",
        shows=r"AtomicD|where False = graphs_equal\(",
        tests=tests_in(
            {
                "algorithms/bipartite/tests/test_edgelist.py": (
                    "TestEdgelist::test_edgelist_graph",
                    "TestEdgelist::test_edgelist_integers",
                    "TestEdgelist::test_edgelist_multigraph",
                    "TestEdgelist::test_latin1",
                    "TestEdgelist::test_unicode",
                    "TestEdgelist::test_write_edgelist_2",
                    "TestEdgelist::test_write_edgelist_3",
                ),
                "readwrite/tests/test_adjlist.py": (
                    "TestAdjlist::test_latin1",
                    "TestAdjlist::test_unicode",
                ),
            }
        ),
    ),
    Difference(
        reason="An AtomicDict is a MutableMapping and not a dict: json needs"
        " `default=cereggii.to_builtin`.",
        shows="TypeError: Object of type AtomicDict is not JSON serializable",
        tests=tests_in(
            {
                "readwrite/json_graph/tests/test_cytoscape.py": ("test_graph_attributes",),
                "readwrite/json_graph/tests/test_node_link.py": (
                    "TestNodeLink::test_graph_attributes",
                    "TestNodeLink::test_graph_with_tuple_nodes",
                    "TestNodeLink::test_unicode_keys",
                ),
            }
        ),
    ),
    Difference(
        reason="An AtomicDict is a MutableMapping and not a dict: the suite asks whether it is.",
        shows=r"where False = isinstance\(AtomicDict\(.*\), dict\)",
        tests=tests_in(
            {
                "tests/test_convert.py": ("TestConvert::test_custom_node_attr_dict_safekeeping",),
            }
        ),
    ),
    Difference(
        reason="The suite gives a graph builtin dicts, and then asks whether they are of the type"
        " that the factory makes.",
        shows=r"where False = isinstance\({0: {.*, <class 'cereggii_atomicdict\.AtomicDict'>\)",
        tests=tests_in(
            {
                "classes/tests/test_digraph.py": ("TestDiGraph::test_nodes",),
                "classes/tests/test_graph.py": (
                    "TestGraph::test_edges",
                    "TestGraph::test_nodes",
                ),
                "classes/tests/test_multidigraph.py": ("TestMultiDiGraph::test_nodes",),
                "classes/tests/test_multigraph.py": (
                    "TestMultiGraph::test_edges",
                    "TestMultiGraph::test_nodes",
                ),
                "classes/tests/test_special.py": (
                    "TestSpecialDiGraph::test_nodes",
                    "TestSpecialGraph::test_edges",
                    "TestSpecialGraph::test_nodes",
                    "TestSpecialMultiDiGraph::test_nodes",
                    "TestSpecialMultiGraph::test_edges",
                    "TestSpecialMultiGraph::test_nodes",
                    "TestThinDiGraph::test_nodes",
                    "TestThinGraph::test_edges",
                    "TestThinGraph::test_nodes",
                ),
            }
        ),
    ),
)

CLIENT = Client(
    title="networkx, with AtomicDict as the factory of each dict of a graph",
    suite="networkx",
    root=root,
    tests=(".",),
    put_in_place=put_in_place,
    differences=DIFFERENCES,
    # Two processes share the tests.
    options=("-n", "2"),
)
