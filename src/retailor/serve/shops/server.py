"""Opens several shops and serves them in one process. No routes."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager

from retailor.errors import ConfigError, RetailorError
from retailor.serve.door.keys import Keys
from retailor.serve.logged import of_shop, place_of
from retailor.serve.opening import opener_of
from retailor.serve.reloading import Served, reloads, warms
from retailor.serve.server import Opened, listen, log_start
from retailor.serve.service import Service
from retailor.serve.settings import ServeSettings
from retailor.serve.shops.app import make_shops_app, operator_keys
from retailor.serve.shops.encoders import EncoderPool
from retailor.serve.shops.settings import OneShop, check_apart
from retailor.serve.warm import Warmer
from retailor.tasks.entry import Entry

_log = logging.getLogger("retailor.serve")


def serve_shops(
    shops: Sequence[OneShop],
    entries: Mapping[str, Entry],
    settings: ServeSettings,
    operator_key_env: str | None = None,
) -> None:
    """Serves shops until SIGTERM or Ctrl-C. SIGHUP loads all of them anew, a promotion the one it is of.

    All of them open, or none is served: a server that starts is being looked at. Later a run that does not
    load leaves the old one of its shop at work, and no other shop notices. Raises ConfigError for keys that
    are not set, runs, logs and keys that two have in common, and what `serve` raises, naming the shop.
    """
    if settings.workers != 1:
        raise ConfigError(
            "several shops are served by one process; for several workers, serve each shop by itself.",
            key="workers",
            value=settings.workers,
        )
    operator = operator_keys(operator_key_env)
    check_apart(shops, operator)
    listen(settings, lambda: _opened(shops, entries, settings, operator))


@contextmanager
def _opened(
    shops: Sequence[OneShop], entries: Mapping[str, Entry], settings: ServeSettings, operator: Keys
) -> Iterator[Opened]:
    pool = EncoderPool(opener_of(settings))
    services: dict[str, Service] = {}
    warmers: dict[str, Warmer | None] = {}
    with ExitStack() as stack:
        for shop in shops:
            with of_shop(shop.name):
                services[shop.name] = stack.enter_context(closing(_service(shop, entries, pool)))
                warmers[shop.name] = stack.enter_context(warms(services[shop.name], entries, shop.settings))
        stack.enter_context(reloads([Served(services[name], warmers[name], name) for name in services]))

        def tell(port: int) -> None:
            for name, service in services.items():
                with of_shop(name):
                    log_start(service.ready(), service.settings, port, f"/shops/{name}/")
            _log.info("%d encoders are open", pool.n_opened)
            for name, warmer in warmers.items():
                if warmer is not None:
                    with of_shop(name):
                        warmer.start()

        yield Opened(make_shops_app(services, settings, operator), tell)


def _service(shop: OneShop, entries: Mapping[str, Entry], pool: EncoderPool) -> Service:
    """Open; whatever keeps it shut is told with the shop's name."""
    try:
        return Service.load(
            shop.folder, entries, shop.settings, shop.drift, space=shop.name, open_encoder=pool
        )
    except RetailorError as error:
        raise ConfigError(f"the shop '{shop.name}' cannot be served: {error}", key="shops") from error
    except Exception as error:
        told = f"{type(error).__name__} at {place_of(error)}"
        raise ConfigError(f"the shop '{shop.name}' cannot be served: {told}.", key="shops") from error
