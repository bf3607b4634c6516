# SPDX-License-Identifier: Apache-2.0
"""The workloads of AtomicDict and AtomicSet do what their titles say; tried with builtin types."""

from __future__ import annotations

from collections import Counter

import pytest

import memory
from harness.measure import run_for_counting, time_operations
from harness.processes import WorkerError
from harness.registry import BUILTIN, CEREGGII, OURS, Kind, Workload, load_workloads
from workloads import atomic_dict_bulk as bulk
from workloads.atomic_dict_mixes import DELETE, READ, WRITE, mix, zipf_keys, zipf_mix
from workloads.dicts import absent_keys, filled, own_keys, present_keys, str_key

WORKLOADS = [
    load
    for load in load_workloads().values()
    if load.key.startswith(("atomic_dict", "atomic_set")) and load.kind is Kind.OPERATION
]
BULK = [load for load in WORKLOADS if load.key.startswith("atomic_dict_bulk")]
HALVES = (range(500), range(500, 1000))


def filled_dict(entries: int = 1000) -> dict[int, int]:
    made: dict[int, int] = filled("builtins:dict", entries)(range(entries))
    assert len(made) == entries
    return made


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("load", WORKLOADS, ids=lambda load: load.key)
def test_every_loop_finds_the_keys_that_it_expects(load: Workload, threads: int) -> None:
    if BUILTIN in load.variants:
        time_operations(load.variants[BUILTIN], threads, operations=300)
        run_for_counting(load.variants[BUILTIN], prepared=1, executed=1, empty=False)


def test_all_that_is_inserted_is_new() -> None:
    keys = [key for half in HALVES for key in own_keys(str_key)({}, half)]
    assert len(set(keys)) == 1000


def test_the_keys_that_are_deleted_are_all() -> None:
    keys = [key for half in HALVES for key in own_keys()(None, half)]
    assert sorted(keys) == sorted(filled_dict())


def test_keys_of_the_dict_are_looked_up_by_other_objects_equal_to_them() -> None:
    d = filled_dict(10)
    found = present_keys()(d, HALVES[1])
    assert set(found) == d.keys()
    assert not {id(key) for key in d} & {id(key) for key in found}
    assert found != present_keys()(d, HALVES[0])


def test_absent_keys_are_absent() -> None:
    d = filled_dict()
    assert not d.keys() & set(absent_keys(d, HALVES[0]))


def test_a_mix_has_its_proportions() -> None:
    work = range(10_000)
    steps = mix(reads=10, inserts=40, deletes=40, updates=10)(filled_dict(len(work)), work)
    counts = Counter(operation for operation, _ in steps)
    parts = [counts[operation] / 10_000 for operation in (READ, WRITE, DELETE)]
    assert parts == pytest.approx([0.1, 0.5, 0.4], abs=0.03)


def test_zipf_s_mix_has_its_proportions() -> None:
    work = range(10_000)
    d = filled_dict(len(work))
    counts = Counter((operation, key in d) for operation, key in zipf_mix(d, work))
    parts = [counts[kind] / 10_000 for kind in ((WRITE, True), (READ, True), (READ, False))]
    assert parts == pytest.approx([0.1, 0.45, 0.45], abs=0.03)


def test_few_keys_are_hot() -> None:
    work = range(10_000)
    d = filled_dict(len(work))
    counts = Counter(zipf_keys(d, work))
    assert counts.keys() <= d.keys()
    hundred = sum(count for _, count in counts.most_common(100))
    assert hundred > 0.45 * len(work)


def test_batches_have_all_keys_and_a_part_of_them_has_its_part(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bulk, "BATCH", 100)
    work = range(250)
    batches = bulk.in_batches(own_keys(), bulk.ones)(None, work)
    assert len(batches) == len(work)
    assert [len(batch) for batch in batches] == [100, 100, 50]
    assert sum(len(batch) for batch in batches[:123]) == len(batches[:123]) == 123
    pairs = [pair for batch in batches for pair in batch]
    assert pairs == [(key, 1) for key in own_keys()(None, work)]


@pytest.mark.parametrize("load", BULK, ids=lambda load: load.key)
def test_each_key_of_a_batch_is_used_once(load: Workload, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "BATCH", 100)
    work = range(250)
    variant = load.variants[BUILTIN]
    state = variant.setup(work)
    batches = variant.plan(state, work)
    if load in (bulk.batch_getitem, bulk.batch_by_loop):
        variant.loop(state, batches)
        assert all(batch == {key: state[key] for key in batch} for batch in batches)
        return
    before = Counter(state.d)
    variant.loop(state, batches)
    keys = [key for batch in batches for key in batch]
    assert Counter(state.d) - before == Counter(
        key[0] if isinstance(key, tuple) else key for key in keys
    )


def test_the_words_of_the_library_are_counted() -> None:
    work = range(5)
    variant = bulk.word_count.variants[BUILTIN]
    state = variant.setup(work)
    variant.loop(state, work)
    assert len(state.texts) == 5
    assert state.d == Counter(bulk.WORD.findall(" ".join(state.texts)))


def test_weights_are_per_entry_and_failures_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    def weighed(python: str, *arguments: str, variables: dict[str, str]) -> dict[str, int]:
        if CEREGGII.name in arguments:
            raise WorkerError("it crashed")
        return {"bytes": (400 if OURS.name in arguments else 1000) * int(arguments[-1])}

    monkeypatch.setattr(memory, "run_worker", weighed)
    (row,) = memory.weigh({"ours": "python", "peers": "python"}, [10])
    assert row.weights[OURS] == 400
    assert row.ratio_to_best_peer() == 0.4
    assert row.errors == {CEREGGII: "it crashed"}
