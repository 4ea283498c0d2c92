"""Optional packages and the extras that install them."""

from __future__ import annotations

from contextlib import ContextDecorator
from types import TracebackType

from retailor.errors import MissingExtra

EXTRAS = {
    "fast": ("openvino",),
    "models": ("torch", "transformers", "tokenizers", "accelerate", "gguf", "peft", "llguidance", "sacrebleu",
               "huggingface_hub"),
    "collab": ("implicit",),
    "quantised": ("bitsandbytes",),
    "devices": ("lightning_fabric", "cloudpickle"),
    "ray": ("ray",),
    "pictures": ("PIL",),
    "compress": ("onnx", "onnxscript", "onnxruntime"),
    "remote": ("openai",),
    "tfhub": ("tensorflow",),
    "mcp": ("mcp", "mcp_types"),
    "serve": ("fastapi", "starlette", "uvicorn", "prometheus_client", "lmdb", "redis"),
    "live": ("sqlalchemy", "psycopg"),
    "lakes": ("duckdb", "deltalake", "pyiceberg"),
    "report": ("jinja2", "markupsafe", "altair", "vl_convert"),
}  # fmt: skip
"""Extra to the packages that it brings, by the names they are imported by."""


class naming_extras(ContextDecorator):  # noqa: N801
    """Around work or a function: a package that is not installed is a MissingExtra that names its extra."""

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, ModuleNotFoundError) and error.name:
            package = error.name.split(".")[0]
            for extra, packages in EXTRAS.items():
                if package in packages:
                    raise MissingExtra(package, install=f"pip install 'retailor[{extra}]'") from error
