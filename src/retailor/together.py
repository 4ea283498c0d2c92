"""Work that processes on several machines of a cluster do together, such as a training: all at once or none.

They get their places as one group, so that two of them never wait for each other's machines. When one is lost
all start again, and go on from what the work has left on the storage that the machines share.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from retailor import runner
from retailor.cluster import Cluster
from retailor.errors import ConfigError, ModelError, RetailorError, first_line

PLACES_S = 600.0
"""So long is waited for machines that others have; that there are enough at all is checked before."""
PEERS_S = 60.0
"""When one process has ended with an error the others have so long to say theirs: a lost one is the cause."""
NO_PLACE = "{}: no {} machines of the cluster became free within {:.0f} minutes: set fewer hosts, or wait."


@dataclass(frozen=True)
class Place:
    """One of `size` processes, and where the first of them is reached."""

    rank: int
    size: int
    address: str
    port: int


def together(work: Callable[[Place], None], hosts: int, each: int, label: str) -> None:
    """Runs `work` in `hosts` × `each` processes at once, `each` of them on every one of so many machines.

    A machine's processors are shared out among its processes; where every machine has GPUs each gets one.
    Raises what `work` raises, ModelError where machines are not free or processes are lost again and again.
    """
    ray, within = runner.ray_module(), runner.machines()
    if within is None:
        raise ConfigError(f"{label}: several hosts need a Ray cluster: run with --on ray.", key="hosts")
    asked = {"CPU": float(max(1, within.cpus_a_node // each))} | ({"GPU": 1.0} if within.gpus_a_node else {})
    with _places(ray, [{kind: n * each for kind, n in asked.items()}] * hosts) as places:
        for _ in range(runner.RETRIES + 1):
            if not places.wait(PLACES_S):
                raise ModelError(NO_PLACE.format(label, hosts, PLACES_S / 60), asked="hosts")
            errors = _tried(ray, within, work, places, asked, hosts * each)
            if not errors:
                return
            raised = [error.cause for error in errors if isinstance(error, ray.exceptions.RayTaskError)]
            for error in raised:
                if isinstance(error, RetailorError):
                    raise error from None
            if len(raised) == len(errors):  # nobody was lost
                raise ModelError(f"{label}: {first_line(raised[0])}", asked="hosts") from None
    raise ModelError(runner.LOST.format(label, runner.RETRIES + 1, first_line(errors[-1])), asked="hosts")


@contextmanager
def _places(ray: Any, bundles: list[dict[str, float]]) -> Iterator[Any]:
    """As many machines as there are bundles; they are free again when this or the command ends."""
    places = ray.util.placement_group(bundles, strategy="STRICT_SPREAD")
    try:
        yield places
    finally:
        ray.util.remove_placement_group(places)


def _tried(
    ray: Any, within: Cluster, work: Callable[[Place], None], places: Any, asked: dict[str, float], size: int
) -> list[Exception]:
    """What the processes ended with, but for those that did their work."""
    each = size // len(places.bundle_specs)
    within_group = ray.util.scheduling_strategies.PlacementGroupSchedulingStrategy

    def on(rank: int, task: Callable[..., Any], **needs: float) -> Any:
        where = within_group(places, placement_group_bundle_index=rank // each)
        return ray.remote(max_retries=0, scheduling_strategy=where, **needs)(task)

    needs = {"num_cpus": asked["CPU"], "num_gpus": asked.get("GPU", 0.0)}
    sent: list[Any] = []
    errors: list[Exception] = []
    try:
        address, port = ray.get(on(0, _door, num_cpus=0).remote())
        for rank in range(size):
            sent.append(on(rank, _one, **needs).remote(within, work, Place(rank, size, address, port)))
        left = list(sent)
        while left:
            done, left = ray.wait(left, num_returns=1, timeout=PEERS_S if errors else None)
            if not done:
                break
            try:
                ray.get(done[0])
            except ray.exceptions.RayError as error:
                errors.append(error)
    except ray.exceptions.RayError as error:  # where the first one should be is gone
        errors.append(error)
    finally:
        for one in sent:
            ray.cancel(one, force=True)
    return errors


def _door() -> tuple[str, int]:
    """Where this machine can be reached by the others, and a port that is free."""
    with socket.socket() as free:
        free.bind(("", 0))
        return runner.ray_module().util.get_node_ip_address(), int(free.getsockname()[1])


def _one(within: Cluster, work: Callable[[Place], None], place: Place) -> None:
    with runner.on_cluster(within):
        work(place)
