"""Errors as JSON: {"error": code, "detail": sentence}, with the right status and no traces."""

from __future__ import annotations

import logging
import math
from typing import Any, get_type_hints

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from retailor.errors import DataError, MissingExtra, RetailorError, ServeError, nearest

CODES = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    408: "too_slow",
    409: "conflict",
    413: "too_large",
    415: "not_json",
    421: "wrong_host",
    422: "invalid",
    429: "busy",
    500: "failed",
    501: "not_in_this_run",
    503: "not_ready",
    504: "timeout",
}
_log = logging.getLogger(__name__)


def problem(
    status: int, detail: str, *, retry_after_s: float | None = None, headers: dict[str, str] | None = None
) -> JSONResponse:
    """The response for an error."""
    more = {} if retry_after_s is None else {"Retry-After": str(math.ceil(retry_after_s))}
    body = {"error": CODES.get(status, "failed" if status >= 500 else "bad_request"), "detail": detail}
    return JSONResponse(body, status, headers={**(headers or {}), **more})


def install(app: FastAPI) -> None:
    """Makes the app answer every error with a problem."""
    app.add_exception_handler(RetailorError, _of_retailor)
    app.add_exception_handler(RequestValidationError, _of_validation)
    app.add_exception_handler(HTTPException, _of_http)


async def _of_retailor(request: Request, error: Exception) -> JSONResponse:
    return problem_of(error)


def problem_of(error: Exception) -> JSONResponse:
    """The response for an error of ours."""
    if isinstance(error, ServeError):
        return problem(error.status, str(error), retry_after_s=error.retry_after_s)
    if isinstance(error, MissingExtra):
        return problem(501, str(error))
    if isinstance(error, DataError) and error.path is not None:
        _log.error("%s", error)
        return problem(500, "a file of this run is broken; the server's log names it.")
    return problem(422, str(error))


async def _of_http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    detail = error.detail
    if error.status_code == 404:
        detail = (
            f"there is nothing at this address; see {getattr(request.app.state, 'base', '')}/openapi.json."
        )
    elif error.status_code == 405:
        detail = f"this address does not take {request.method}."
    return problem(error.status_code, detail, headers=dict(error.headers or {}))


async def _of_validation(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first: dict[str, Any] = error.errors()[0]
    if first["type"] == "json_invalid":
        return problem(
            400, f"the body is not JSON: {first['ctx']['error']}, at character {first['loc'][-1]}."
        )
    return problem(422, _sentence(first, _known_fields(request)))


def _sentence(first: dict[str, Any], known: list[str]) -> str:
    """What is wrong with which field. The value is left out: it may be a customer's words."""
    place = [str(part) for part in first["loc"][1:]]
    if first["type"] == "extra_forbidden":
        hint = nearest(place[-1][:100], known)
        more = f" Did you mean '{hint}'?" if hint else ""
        fields = f" it has {', '.join(known)}." if known and len(place) == 1 else "."
        return f"there is no field '{place[-1][:100]}';{fields}{more}".replace("';.", "'.")
    if not place and first["type"] == "value_error":
        return f"{first['ctx']['error']}."
    if not place:
        return "the body must be a JSON object."
    message = first["msg"]
    return f"'{'.'.join(place)}': {message[0].lower()}{message[1:]}."


def _known_fields(request: Request) -> list[str]:
    """The fields that the request's route takes, for the hint at an unknown one."""
    endpoint = request.scope.get("endpoint")
    hints = get_type_hints(endpoint) if callable(endpoint) else {}
    models = [note for name, note in hints.items() if name != "return" and hasattr(note, "model_fields")]
    return list(models[0].model_fields) if models else []
