"""What a run's shop shows without a task: items, customers, pictures, what customers say."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from retailor.cache import Cache
from retailor.errors import ServeError
from retailor.serve.routes.item_pictures import small_jpeg
from retailor.serve.served import ServedRun
from retailor.serve.settings import ServeSettings
from retailor.shop.view import Page
from retailor.tasks.entry import no_item

INSIGHT = "insight.html"


class Browsing(ABC):
    """Every method may be called from any thread."""

    settings: ServeSettings
    cache: Cache

    @abstractmethod
    def _now(self) -> ServedRun:
        """The run that answers. ServeError 503 where none does yet."""

    def items(self, item_ids: tuple[str, ...]) -> Page:
        """The items with these ids, in this order. ServeError 404 that names the first unknown one."""
        view = self._now().view
        cards = [view.card(item_id) for item_id in item_ids]
        for item_id, card in zip(item_ids, cards, strict=True):
            if card is None:
                raise no_item(item_id)
        return Page(tuple(card for card in cards if card is not None), len(cards))

    def details(self, item_id: str) -> dict[str, Any]:
        """All that the catalogue says of an item, with its stars. ServeError 404 for an unknown one."""
        found = self._now().view.details(item_id)
        if found is None:
            raise no_item(item_id)
        return found

    def picture(self, item_id: str) -> bytes | None:
        """A small JPEG of the item; None where there is none that can be shown. ServeError 404."""
        run, (card,) = self._now(), self.items((item_id,)).rows
        return None if run.pictures is None else small_jpeg(run.pictures, card["image"], self.cache)

    def find_items(self, text: str = "", page: int = 1, size: int = 20) -> Page:
        """Items by words in the title, the most popular first."""
        return self._now().view.find_items(text, page, size)

    def customers(self, text: str = "", page: int = 1, size: int = 20) -> Page:
        """Customers by a part of the id, those with the longest history first. 403 when not to be shown."""
        self._check_customers_shown()
        run = self._now()
        own = run.own(text) or ""
        # Whoever types the shop's own id finds who goes by its pseudonym; part of an id is part of that.
        return run.view.find_customers(own if run.view.knows_customer(own) else text, page, size)

    def customer(self, user_id: str, n: int = 20) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """A customer and the last `n` events. ServeError 404 for an unknown one, 403 when not to be shown."""
        self._check_customers_shown()
        run = self._now()
        found = run.view.history(run.own(user_id) or user_id, n)
        if found is None:
            raise ServeError("there is no customer with this id and a history.", status=404)
        return found

    def insight(self) -> str:
        """The page of what customers say. ServeError 403 when not to be shown, 404 when the run has none."""
        if not self.settings.show_insight:
            raise ServeError("this server does not show what customers say.", status=403)
        folder = self._now().insight
        if folder is None or not (folder / INSIGHT).is_file():
            raise ServeError("this run has no insight; make one with `retailor run`.", status=404)
        return (folder / INSIGHT).read_text(encoding="utf-8")

    def _check_customers_shown(self) -> None:
        if not self.settings.show_customers:
            raise ServeError("this server does not show customers.", status=403)
