"""Work over shards: a plain loop here, or tasks on the machines of a Ray cluster; all that imports ray.

A shard writes what it makes under its fingerprint, on storage that all machines share, under a temporary name
and then by a rename. So a task that runs twice, one that is lost with its machine, and a driver that starts
again all find what is there already; what travels back is a path and a sha256.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from retailor import cluster
from retailor.errors import ConfigError, ModelError, first_line
from retailor.progress import track
from retailor.store.artifact import file_sha256

S = TypeVar("S")
LOCAL = "local"
LIVE_A_PLACE = 2
"""Tasks that are sent at once for each processor: one at work, one on its way."""
RETRIES = 5
"""So often a shard is given to another machine when its own was lost."""
CONNECT_S = 5.0
CHECK_S = 120.0
"""Within so long every machine must have said what it is: its first Python process starts meanwhile."""
LOST = (
    "{}: a part of the work was lost {} times ({}): has a machine the memory for it? The same goes on then."
)
NONE_THERE = "there is no Ray cluster at '{}' ({}): start one with `ray start --head`, or stay on local."
_cluster: cluster.Cluster | None = None


def is_away() -> bool:
    """Whether shards go to a cluster."""
    return _cluster is not None


def machines() -> cluster.Cluster | None:
    """The cluster that shards go to, if any."""
    return _cluster


def over_shards(work: Callable[[S], Path], shards: Sequence[S], label: str) -> list[Path]:
    """The files that `work` makes of the shards, in their order, each made once; a bar while they are made.

    `work` writes a file whole or not at all and finds it when it is there; on a cluster it travels with all
    that it refers to. Raises what `work` raises, ModelError where a shard ends every process that takes it,
    DataError where a file did not arrive.
    """
    if _cluster is None or len(shards) < 2:
        return [work(shard) for shard in (track(shards, label) if len(shards) > 1 else shards)]
    made: dict[int, Path] = {}
    for i, (path, sha256) in track(_sent(work, shards, label), label, len(shards)):
        made[i] = cluster.arrived(Path(path), sha256)
    return [made[i] for i in range(len(shards))]


def elsewhere(work: Callable[..., None], *given: Any) -> None:
    """Runs `work` on a machine of the cluster that it has to itself; here where there is none."""
    if _cluster is None:
        work(*given)
        return
    asked = {"num_cpus": _cluster.cpus_a_node, "num_gpus": _cluster.gpus_a_node, "max_retries": RETRIES}
    task = ray_module().remote(**asked)(_alone)
    _got(task.remote(_cluster, work, given), "a stage")


def _sent(
    work: Callable[[S], Path], shards: Sequence[S], label: str
) -> Iterator[tuple[int, tuple[str, str]]]:
    """Results as they come, by the number of the shard; no more tasks live at once than the window has."""
    assert _cluster is not None
    ray = ray_module()
    n_gpus = min(1, _cluster.gpus_a_node)
    task = ray.remote(num_cpus=1, num_gpus=n_gpus, max_retries=RETRIES)(_one)
    sent, left, live = ray.put((work,)), iter(enumerate(shards)), dict[Any, int]()
    try:
        while True:
            for i, shard in left:
                live[task.remote(_cluster, sent, shard)] = i
                if len(live) >= LIVE_A_PLACE * _cluster.places:
                    break
            if not live:
                return
            for done in ray.wait(list(live), num_returns=1)[0]:
                yield live.pop(done), _got(done, label)
    finally:
        for each in live:
            ray.cancel(each)


def _one(within: cluster.Cluster, sent: tuple[Callable[[S], Path]], shard: S) -> tuple[str, str]:
    with on_cluster(within):
        path = sent[0](shard)
        return str(path), file_sha256(path)


def _alone(within: cluster.Cluster, work: Callable[..., None], given: Sequence[Any]) -> None:
    with on_cluster(within):
        work(*given)


def _got(task: Any, label: str) -> Any:
    ray = ray_module()
    try:
        return ray.get(task)
    except ray.exceptions.RayTaskError as error:
        raise error.cause from None
    except ray.exceptions.RayError as error:
        raise ModelError(LOST.format(label, RETRIES + 1, first_line(error)), asked="on") from None


# the cluster --------------------------------------------------------------------------------------------


@contextmanager
def running(on: str, shared: Path) -> Iterator[None]:
    """Within it, shards go to the cluster `on`: 'local' for none, 'ray' for the one that this machine is in,
    or its address, ray://host:port. `shared` is the folder that all machines see.

    Before any work: ConfigError on an address that is none, does not answer or has no processor; on machines
    with other versions of Python, Retailor or its libraries; and where one does not see the folder.
    """
    if on == LOCAL:
        yield
        return
    _connect(on)
    try:
        with on_cluster(_checked(shared)):
            yield
    finally:
        ray_module().shutdown()


@contextmanager
def on_cluster(within: cluster.Cluster) -> Iterator[None]:
    global _cluster
    before, _cluster = _cluster, within
    try:
        yield
    finally:
        _cluster = before


@cache
def ray_module() -> Any:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # tells its makers nothing
    import ray

    return ray


def _connect(on: str) -> None:
    address = cluster.address_of(on)
    try:
        if address != "auto":  # Ray itself would try for minutes
            socket.create_connection(cluster.host_and_port(address), CONNECT_S).close()
        ray_module().init(address, log_to_driver=False, logging_level="ERROR")
    except (OSError, RuntimeError) as error:
        raise ConfigError(NONE_THERE.format(on, first_line(error)), key="on", value=on) from None


def _checked(shared: Path) -> cluster.Cluster:
    """The cluster, when every machine of it can take part. Raises ConfigError on the first that cannot."""
    nodes = _alive()
    with cluster.token_in(shared) as token:
        answers = dict(zip(nodes, _asked(list(nodes), str(token)), strict=True))
    there = _alive() if any("error" in answer for answer in answers.values()) else nodes
    left = {node_id: node for node_id, node in nodes.items() if node_id in there}  # others died just now
    for node_id, node in left.items():
        cluster.refuse(node["NodeManagerAddress"], answers[node_id], shared)
    return cluster.cluster_of([node["Resources"] for node in left.values()], shared.resolve())


def _alive() -> dict[str, Mapping[str, Any]]:
    """The machines with a processor, by id."""
    found = (node for node in ray_module().nodes() if node["Alive"] and node["Resources"].get("CPU"))
    return {node["NodeID"]: node for node in found}


def _asked(node_ids: Sequence[str], token: str) -> list[Mapping[str, Any]]:
    """What each machine is, or why it does not say."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy as On

    ray = ray_module()
    task = ray.remote(num_cpus=0, max_retries=0)(cluster.probe())
    sent = [task.options(scheduling_strategy=On(node_id, soft=False)).remote(token) for node_id in node_ids]
    answers = []
    for each in sent:
        try:
            answers.append(ray.get(each, timeout=CHECK_S))
        except ray.exceptions.RayError as error:
            answers.append({"error": (str(error).strip() or type(error).__name__).splitlines()[-1]})
    return answers
