"""`retailor serve` with several shops: what a file or `--shop` names, opened as runs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from retailor.serve.shops.settings import Asked


def serve_asked(asked: Asked, options: Mapping[str, Any], overrides: Mapping[str, str]) -> None:
    """Serves the shops, each by the section [serve] of its plan, what is said of all and of it alone."""
    from retailor.config import as_dict
    from retailor.errors import ConfigError, RetailorError
    from retailor.plan.settings import read_plan
    from retailor.serve.shops.server import serve_shops
    from retailor.serve.shops.settings import OneShop
    from retailor.store.buckets import fetched_run, is_url
    from retailor.tasks.registry import TASKS

    shops = []
    for name, place in asked.places.items():
        try:
            folder = fetched_run(place) if is_url(place) else Path(place)
            plan = folder / "plan.toml"
            sections = read_plan(plan).sections if plan.is_file() else {}
            planned = as_dict(sections["serve"]) if sections else {}
            settings = asked.settings_of(name, planned, options, overrides)
        except RetailorError as error:
            raise ConfigError(f"the shop '{name}' cannot be served: {error}", key="shops") from error
        shops.append(OneShop(name, folder, settings, sections.get("drift")))
    serve_shops(shops, TASKS, asked.server(options, overrides), asked.operator_key_env)
