"""A training on several machines of a cluster: the weights of one process, whoever is killed."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from retailor import runner
from retailor.cluster import Cluster
from retailor.errors import ConfigError, DataError, ModelError
from retailor.testing.models import tiny_encoder
from retailor.train.adapt import AdaptSettings, adapt_with_log
from retailor.train.devices import check_devices
from retailor.train.loop import train
from retailor.train.settings import TrainSettings
from tests.train.test_devices import _still, _texts, dials, flat, net

pytest.importorskip("ray")
cloudpickle = pytest.importorskip("cloudpickle")
pytest.importorskip("lightning_fabric")
X = torch.randn(64, 8, generator=torch.Generator().manual_seed(0))
Batch = Mapping[str, torch.Tensor]


def two(**more: Any) -> TrainSettings:
    return dials(1, hosts=2, **more)


def squares(network: nn.Module, batch: Batch) -> torch.Tensor:
    return network(batch["x"]).square().mean()


def rows(some: Any) -> Batch:
    return {"x": X[list(some)]}


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["auto", "fsdp"])
def test_two_machines_adapt_as_one_process_does(strategy: str, ray_cluster: Any, tmp_path: Path) -> None:
    def adapted(hosts: int) -> tuple[torch.Tensor, Any]:
        settings = AdaptSettings(
            objective="masked", held_out=0.2,
            train=dials(
                1, hosts=hosts, learning_rate=1e-4, batch_size=7, epochs=3, validate_every=3,
                strategy=strategy if hosts > 1 else "auto",
            ),
        )  # fmt: skip
        work = tmp_path / str(hosts)
        made, log = adapt_with_log(_still(tiny_encoder(_texts())), _texts(), settings, work=work)
        return flat(made.network), log

    one, first = adapted(1)
    with runner.running("ray", tmp_path):
        two, second = adapted(2)
    torch.testing.assert_close(two, one, atol=1e-5, rtol=0)
    assert (two - flat(_still(tiny_encoder(_texts())).network)).abs().max() > 1e-4
    assert second.perplexity_after == pytest.approx(first.perplexity_after, rel=1e-4)


@pytest.mark.slow
def test_a_machine_lost_in_a_training_costs_what_came_after_the_checkpoint(
    ray_cluster: Any, tmp_path: Path
) -> None:
    def learned(name: str, pause: float) -> torch.Tensor:
        seen = tmp_path / f"seen-{name}"
        seen.mkdir()

        def slowly(network: nn.Module, batch: Batch) -> torch.Tensor:
            import ray

            time.sleep(pause)
            (seen / ray.get_runtime_context().get_node_id()).touch()
            return network(batch["x"]).square().mean()

        network = net()
        with runner.running("ray", tmp_path):
            train(network, range(64), lambda some: {"x": X[list(some)]}, slowly, two(epochs=5, batch_size=8),
                  work=tmp_path / name, checkpoint_every_s=0.2)  # fmt: skip
        return flat(network)

    whole = learned("whole", 0.0)
    ray_cluster.add_node(num_cpus=1, object_store_memory=80 << 20)
    by_id = {node.node_id: node for node in ray_cluster.list_all_nodes()}

    def kill() -> None:
        checkpoint = tmp_path / "killed" / "train.checkpoint.safetensors"
        while not checkpoint.exists():
            time.sleep(0.05)
        import ray

        own = ray.get_runtime_context().get_node_id()  # a command does not outlive its own
        there = (path.name for path in (tmp_path / "seen-killed").iterdir())
        ray_cluster.remove_node(by_id[next(each for each in there if each != own)], allow_graceful=False)

    killing = threading.Thread(target=kill)
    killing.start()
    killed = learned("killed", 0.2)
    killing.join()
    assert torch.equal(killed, whole)
    assert len(list((tmp_path / "seen-killed").iterdir())) == 3, "another machine went on"


@pytest.mark.slow
def test_what_goes_wrong_on_a_machine_is_said_here(ray_cluster: Any, tmp_path: Path) -> None:
    def lost(network: nn.Module, batch: Batch) -> torch.Tensor:
        return network(batch["x"]).square().mean() * float("nan")

    said = pytest.raises(ModelError, match=r"^fit: the loss became nan at step 1 of 8: lower learning_rate")
    with runner.running("ray", tmp_path), said:
        train(net(), range(64), lambda some: {"x": X[list(some)]}, lost, two(), label="fit")
    assert [path.name for path in tmp_path.iterdir()] == [], "its folder was below the shared one"


# what is refused --------------------------------------------------------------------------------------


def test_hosts_that_are_not_there_are_refused_before_any_work() -> None:
    with pytest.raises(ConfigError, match=r"hosts = 2, and this runs on one machine: run with --on ray\."):
        check_devices(two())
    with runner.on_cluster(Cluster(places=4, cpus_a_node=2, gpus_a_node=0, nodes=2)):
        check_devices(two())
        check_devices(dials(2, hosts=2))
        with pytest.raises(ConfigError, match="hosts = 3, and the cluster has 2: set hosts = 2 at the most"):
            check_devices(dials(1, hosts=3))
        with pytest.raises(ConfigError, match="devices = 3, and there are 2"):
            check_devices(dials(3, hosts=2))


def test_weights_that_are_left_on_another_machine_are_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("retailor.train.fabric.on_hosts", lambda work, hosts, devices, label: None)
    said = pytest.raises(DataError, match="must lie on storage that all machines share")
    with runner.on_cluster(Cluster(places=2, cpus_a_node=1, gpus_a_node=0, nodes=2)), said:
        train(net(), range(64), rows, squares, two(), work=tmp_path)
