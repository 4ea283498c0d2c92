"""From the shop's rows to what goes over HTTP."""

from __future__ import annotations

from retailor.serve.routes.bodies import Customer, CustomersBody, CustomersReply, Event, ItemsBody, ItemsReply
from retailor.serve.service import Service
from retailor.tasks.http import Card


def items(service: Service, body: ItemsBody) -> ItemsReply:
    """Items by id where ids are given, else by words."""
    if body.item_id:
        page = service.items(tuple(body.item_id))
    else:
        page = service.find_items(body.text, body.page, body.size)
    return ItemsReply(items=[Card(**row) for row in page.rows], n_total=page.n_total)


def customers(service: Service, body: CustomersBody) -> CustomersReply:
    """One customer with the history where an id is given, else a page of customers."""
    if body.user_id is None:
        page = service.customers(body.text, body.page, body.size)
        return CustomersReply(customers=[Customer(**row) for row in page.rows], n_total=page.n_total)
    customer, history = service.customer(body.user_id, body.size)
    return CustomersReply(
        customers=[Customer(**customer)], n_total=1, history=[Event(**row) for row in history]
    )
