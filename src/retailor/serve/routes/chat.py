"""`/chat`: a turn of a conversation, as JSON or as server-sent events while it is worked out."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Callable, Iterator
from typing import Annotated, Any

from fastapi import FastAPI, Header
from fastapi.responses import StreamingResponse

from retailor.dialogue.chat import Talker
from retailor.dialogue.http import ChatBody, ChatReply, shown
from retailor.dialogue.shapes import Call, State
from retailor.errors import RetailorError, ServeError
from retailor.serve.service import Service

EVENTS = "text/event-stream"
_MANY: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {EVENTS: {"schema": {"type": "string"}}},
        "description": "The reply. As events: `tool` for each one used, `text` a line, `reply` at the end.",
    }
}


def add_chat(app: FastAPI, service: Service, talk: Talker) -> None:
    """Adds `/chat`. Where the run has none of the tasks, turns are answered as far as they can be."""

    @app.post("/chat", name="chat", tags=["tasks"], response_model=ChatReply, responses=_MANY)
    def chat(body: ChatBody, accept: Annotated[str, Header()] = "") -> Any:
        """A turn of a conversation. The server keeps nothing: send back the `state` of the last reply."""

        def answer(tell: Callable[[Call], None]) -> ChatReply:
            state = State() if body.state is None else body.state.state(service)
            return shown(talk(body.message, state, service, tell), service)

        if EVENTS not in accept:
            return answer(lambda call: None)
        return StreamingResponse(_events(answer), media_type=EVENTS, headers={"Cache-Control": "no-store"})


def _events(answer: Callable[[Callable[[Call], None]], ChatReply]) -> Iterator[str]:
    """The events of a turn, each as soon as it is there."""
    told: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def work() -> None:
        try:
            reply = answer(
                lambda call: told.put(_event("tool", {"tool": call.tool, "arguments": call.arguments}))
            )
            for line in reply.text.split("\n"):
                told.put(_event("text", {"line": line}))
            told.put(_event("reply", reply.model_dump(mode="json")))
        except RetailorError as error:
            status = error.status if isinstance(error, ServeError) else 422
            told.put(_event("problem", {"status": status, "detail": str(error)}))
        except Exception:
            told.put(_event("problem", {"status": 500, "detail": "the server failed on this request."}))
            raise
        finally:
            told.put(None)

    threading.Thread(target=work, daemon=True).start()
    while (event := told.get()) is not None:
        yield event


def _event(name: str, data: Any) -> str:
    return f"event: {name}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n"
