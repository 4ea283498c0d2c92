"""The openvino package, imported so that it tells nobody."""

from __future__ import annotations

import functools
import sys
import threading
from typing import Any

from retailor.errors import MissingExtra

GRAPH = "openvino_model.xml"
_lock = threading.Lock()


def openvino() -> Any:
    """The openvino package, imported without its conversion tools: these report their use over the network.

    Raises MissingExtra when it is not installed.
    """
    with _lock:
        unknown = "openvino" not in sys.modules
        if unknown:
            sys.modules["openvino.tools.ovc"] = None  # type: ignore[assignment]
        try:
            import openvino as found
        except ImportError:
            raise MissingExtra("OpenVINO", install="pip install 'retailor[fast]'") from None
        finally:
            if unknown:
                sys.modules.pop("openvino.tools.ovc", None)
    return found


def core() -> Any:
    """The one openvino.Core of this process, never closed; MissingExtra where the package is not installed.

    Each core sets an alternate stack for signals (AMX needs a large one) and puts the one of before back
    when it goes. Two that go in the order they came leave a freed stack behind: the next signal, a Ctrl-C
    even, ends the process with a segmentation fault.
    """
    return _core(openvino())


@functools.cache
def _core(package: Any) -> Any:
    return package.Core()
