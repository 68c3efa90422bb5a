"""Where an engine of a checkpoint listens, and which GPUs it takes. No engine is started here."""

from __future__ import annotations

import pytest

from rayscaler.errors import ConfigError, StageError
from rayscaler.runtime.gpus import placed, read_gpus, visible
from rayscaler.runtime.serving_address import check_reach, elsewhere, is_loopback, reached_at
from rayscaler.serving import Replicas, Serving

SAID = """0, GPU-aaaa, 14000, 140000
1, GPU-bbbb, 133000, 140000
2, GPU-cccc, 70000, 140000
"""


def test_loopback_is_told_from_addresses_that_others_reach():
    assert [is_loopback(host) for host in ("127.0.0.1", "127.1.2.3", "localhost", "::1")] == [True] * 4
    assert [is_loopback(host) for host in ("0.0.0.0", "10.0.0.5", "head.example")] == [False] * 3
    assert reached_at("10.0.0.5") == "10.0.0.5"


def test_nodes_with_one_address_are_one_machine():
    assert elsewhere(["10.0.0.5", "10.0.0.5"], "10.0.0.5") == []
    assert elsewhere(["127.0.0.1", "127.0.0.2"], "127.0.0.1") == []
    assert elsewhere(["10.0.0.7", "10.0.0.5", "10.0.0.6", "10.0.0.7"], "10.0.0.5") == ["10.0.0.6", "10.0.0.7"]


@pytest.mark.ray
def test_one_machine_may_listen_on_loopback_and_several_may_not(ray_here, monkeypatch):
    import ray

    check_reach(Serving(), "the pool")
    away = [*ray.nodes(), {"Alive": True, "Resources": {"CPU": 8.0}, "NodeManagerAddress": "10.9.9.9"},
            {"Alive": False, "Resources": {"CPU": 8.0}, "NodeManagerAddress": "10.9.9.8"},
            {"Alive": True, "Resources": {}, "NodeManagerAddress": "10.9.9.7"}]
    monkeypatch.setattr(ray, "nodes", lambda: away)
    with pytest.raises(ConfigError, match=r"resources\.serving\.host: the pool .* 1 other machines .*\(10\.9\.9\.9\)"):
        check_reach(Serving(), "the pool")
    for open_to_others in (Serving(host="0.0.0.0"), Serving(url="http://pool:8000/v1")):
        check_reach(open_to_others, "the pool")


def test_only_the_gpus_that_a_process_sees_count():
    found = read_gpus(SAID)
    assert [gpu.number for gpu in visible(found, None)] == ["0", "1", "2"]
    assert [gpu.number for gpu in visible(found, "2, 0")] == ["0", "2"]
    assert [gpu.number for gpu in visible(found, "GPU-bb")] == ["1"]
    assert visible(found, "") == []


def test_an_engine_takes_the_gpus_with_the_most_free_memory_and_no_more_than_is_free():
    found = read_gpus(SAID)                                                  # 10%, 95% and 50% are free
    assert placed(Replicas(), found, fixed=False) == (Replicas(gpu_memory=0.9), "1")
    pair = Replicas(tensor_parallel=2)
    assert placed(pair, found, fixed=False) == (pair.model_copy(update={"gpu_memory": 0.45}), "1,2")
    assert placed(Replicas(gpu_memory=0.5), found[2:], fixed=True) == (Replicas(gpu_memory=0.5), "2")


def test_an_engine_for_which_there_is_no_room_is_refused_with_what_to_set():
    found = read_gpus(SAID)
    for wanted, fixed in ((Replicas(), False), (Replicas(gpu_memory=0.2), True)):
        with pytest.raises(StageError, match=r"GPU 0 has 10% .* resources\.serving\.models\.NAME\.gpu_memory"):
            placed(wanted, found[:1], fixed=fixed)
    with pytest.raises(StageError, match="asks for 4 GPUs, this process sees 3"):
        placed(Replicas(tensor_parallel=4), found, fixed=False)
