"""Several processes that each hold a share of every weight, gradient and moment: torch's FSDP.

Rajbhandari, Rasley, Ruwase & He, ZeRO, SC 2020; Zhao et al., PyTorch FSDP, VLDB 2023. A layer of the network
is put together when it computes, and taken apart again; what lies outside the layers (embeddings, heads) is
whole from the start of a pass to its end. Imported only in a process that was started for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.utils._pytree import tree_map

from retailor.errors import ModelError
from retailor.models.hardware import uncopied
from retailor.train.checkpoint import own
from retailor.train.fabric import Processes
from retailor.train.losses.hooks import Batch, Loss, dice, throw_again
from retailor.train.losses.shared import gathering

if TYPE_CHECKING:
    from lightning_fabric import Fabric


class _Root(nn.Module):
    """The network as a module that computes whatever it is given, with what lies outside the layers whole."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, made: Callable[[], Any]) -> Any:
        return made()


class Sharded(Processes):
    """The processes of a `Fabric` that share a network out among them: a `World`.

    The network's parameters are this process's shares (DTensors) from then on, on the process's device.
    """

    def __init__(self, fabric: Fabric, network: nn.Module) -> None:
        super().__init__(fabric)
        self.network = network
        mesh = init_device_mesh(self.device.type, (self.size,))
        layers = layers_of(network)
        for layer in layers:
            layer.register_forward_hook(_copied_views)
            fully_shard(layer, mesh=mesh)
        self._root: Any = fully_shard(_Root(network), mesh=mesh)
        # an attack takes a gradient in the midst of a pass, which goes on with these parameters
        self._root.set_reshard_after_backward(False, recurse=False)
        self._parts: list[Any] = [*layers, self._root]
        self._alone: set[nn.Module] = set()
        """Layers of which a module was called by itself in this pass."""
        self._called: set[nn.Module] = set()
        """Layers that were called in this pass."""
        for layer in layers:
            self._let_modules_be_called(layer)
        # made here, not in a validation's inference mode, whose tensors no gradient can be taken of
        for part in self._parts:
            part.unshard()
            part.reshard()

    def forward(self, network: nn.Module, loss: Loss) -> Callable[[Batch], Tensor]:
        return lambda batch: self._root(partial(loss, network, batch))  # type: ignore[no-any-return]

    def syncing(self, last: bool) -> AbstractContextManager[Any]:
        # with every batch: till the last one each process would hold whole gradients
        return nullcontext()

    def backward(self, value: Tensor) -> None:
        value.backward()  # type: ignore[no-untyped-call]
        self._take_apart()

    def of_first(self, made: Callable[[], float]) -> float:
        throw_again(self.fabric.broadcast(dice(self.network)))  # all read the same

        def lent() -> float:
            with _lent(self.network):
                return made()

        with gathering(None), uncopied():
            value = self._root(lent)
        self._take_apart()
        return float(self.fabric.broadcast(value))

    def agreed(self, wanted: bool) -> bool:
        return self.sum(float(wanted and not self.rank)) > 0

    def _take_apart(self) -> None:
        for part in self._parts:
            part.reshard()
        self._alone.clear()
        self._called.clear()

    def _let_modules_be_called(self, layer: nn.Module) -> None:
        """A loss may call a module of a layer without the layer, which is then put together for it."""

        def note(*_: Any) -> None:
            self._called.add(layer)
            self._check(layer)

        def put_together(module: nn.Module, _: Any) -> None:
            if any(own(p) is not p for p in module.parameters(recurse=False)):
                self._alone.add(layer)
                self._check(layer)
                layer.unshard()  # type: ignore[operator]

        layer.register_forward_pre_hook(note)
        for module in layer.modules():
            if module is not layer and next(module.parameters(recurse=False), None) is not None:
                module.register_forward_pre_hook(put_together)

    def _check(self, layer: nn.Module) -> None:
        # of such a layer the gradient would be exchanged once, before it is complete
        if torch.is_grad_enabled() and layer in self._alone and layer in self._called:
            raise ModelError(
                f"the loss calls a {type(layer).__name__.removeprefix('FSDP')}, and a part of it by itself: "
                "set strategy = 'ddp'.",
                asked="strategy",
            )


def _copied_views(_: nn.Module, __: Any, output: Any) -> Any:
    """A layer's output with copies of what are views: changed in place, they would not call it back."""

    def copied(value: Any) -> Any:
        view = isinstance(value, Tensor) and value.requires_grad and value._base is not None
        return value.clone() if view else value

    return tree_map(copied, output)


@contextmanager
def _lent(network: nn.Module) -> Iterator[None]:
    """While it lasts, what lies outside the layers is a copy, whose memory may be kept by whoever reads it.

    Of the processor alone: numpy takes hold of memory there, and the own would have to be given back.
    """
    copies: dict[nn.Parameter, nn.Parameter] = {}
    lent = [
        (module, name, p)
        for module in network.modules()
        for name, p in module._parameters.items()
        if p is not None and own(p) is p and p.device.type == "cpu"
    ]
    for module, name, p in lent:
        if p not in copies:
            copies[p] = nn.Parameter(p.detach().clone(), p.requires_grad)
        module._parameters[name] = copies[p]
    try:
        yield
    finally:
        for module, name, p in lent:
            module._parameters[name] = p


def layers_of(network: nn.Module) -> list[nn.Module]:
    """The modules to put together one at a time: elements of the outermost lists of modules.

    Not those that have a parameter in common with another part of the network: it stays outside.
    """
    lists: list[tuple[str, nn.ModuleList]] = []
    for name, module in network.named_modules():
        inner = any(name.startswith(f"{outer}.") for outer, _ in lists)
        if isinstance(module, nn.ModuleList) and not inner:
            lists.append((name, module))
    layers = list(dict.fromkeys(layer for _, found in lists for layer in found))
    holders: dict[nn.Parameter, set[nn.Module | None]] = {}
    inside = {module: layer for layer in layers for module in layer.modules()}
    for module in network.modules():
        for parameter in module.parameters(recurse=False):
            holders.setdefault(parameter, set()).add(inside.get(module))
    return [
        layer
        for layer in layers
        if (own_parameters := list(layer.parameters())) and all(len(holders[p]) == 1 for p in own_parameters)
    ]
