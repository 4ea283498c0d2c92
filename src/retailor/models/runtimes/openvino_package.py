"""The openvino package, imported so that it tells nobody."""

from __future__ import annotations

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
