"""Times encoders on some cores of this machine, in turn, in a process of its own: reads and prints JSON.

    python benchmarks/encoder_timing.py spec.json

The spec has `cores`, `rounds`, `texts` and `folders`, by name; a name that begins with
'sentence-transformers' is opened by it, in float32 or in bf16 where the name says so. With one folder and no
rounds what is printed is the most memory that the process took to encode the texts.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from peak import peak_gib

BATCH = 64
ALONE = 40
"""Texts a round that are encoded one by one."""
THEIRS = "sentence-transformers"

Encode = Callable[[list[str]], Any]


def opened(name: str, folder: str) -> Encode:
    if not name.startswith(THEIRS):
        from retailor.models.local import load_encoder

        return load_encoder(Path(folder)).encode
    import torch
    from sentence_transformers import SentenceTransformer

    dtype = torch.bfloat16 if "bf16" in name else torch.float32
    found = SentenceTransformer(folder, device="cpu", model_kwargs={"torch_dtype": dtype})
    return lambda texts: found.encode(texts, convert_to_tensor=True)


def main() -> None:
    spec = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    cores = sorted(os.sched_getaffinity(0))[: spec["cores"]]
    os.sched_setaffinity(0, cores)
    texts, encoders = spec["texts"], {name: opened(name, path) for name, path in spec["folders"].items()}
    for encode in encoders.values():
        encode(texts[:BATCH])
        encode(texts[:1])
    told: dict[str, Any] = {name: {"texts_per_s": [], "alone_ms": []} for name in encoders}
    for _ in range(spec["rounds"]):
        for name, encode in encoders.items():
            started = time.perf_counter()
            for at in range(0, len(texts), BATCH):
                encode(texts[at : at + BATCH])
            told[name]["texts_per_s"].append(len(texts) / (time.perf_counter() - started))
            for text in texts[:ALONE]:
                started = time.perf_counter()
                encode([text])
                told[name]["alone_ms"].append(1000 * (time.perf_counter() - started))
    told["memory_gib"] = peak_gib()
    print(json.dumps(told))


if __name__ == "__main__":
    main()
