"""What the server refuses before anything else looks at it."""
from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import unquote, urlsplit

from studio.serving import is_loopback

Message = MutableMapping[str, Any]
Application = Callable[[Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]],
                       Awaitable[None]]
UNFRAMED = (b"content-security-policy", b"frame-ancestors 'self'")
ELSEWHERE = ("/file=http:", "/file=https:", "/proxy=", "/gradio_api/deep_link", "/gradio_api/run-history")


class Guard:
    """An application in front of another one, which answers 403 to requests

    - that a page from elsewhere makes in the browser of somebody who has the app open, but for a link to it;
    - under a name that is not this machine's, where only this machine should come (names can be made to lead here);
    - for which the server would fetch something from elsewhere.

    No page from elsewhere may show the app in a frame either, in which people click on what they do not see.
    local: whether only this machine reaches the server.
    """

    def __init__(self, app: Application, local: bool):
        self.app, self.local = app, local

    async def __call__(self, scope: Message, receive: Callable[[], Awaitable[Message]],
                       send: Callable[[Message], Awaitable[None]]) -> None:
        if scope["type"] in ("http", "websocket") and self.refuses(scope):
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008})
                return
            await send({"type": "http.response.start", "status": 403, "headers": [(b"content-type", b"text/plain")]})
            await send({"type": "http.response.body", "body": b"refused"})
            return

        async def send_unframed(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), UNFRAMED]}
            await send(message)

        await self.app(scope, receive, send_unframed)

    def refuses(self, scope: Message) -> bool:
        """Whether a request is one of these."""
        headers = {name.lower(): value.decode("latin-1") for name, value in scope["headers"]}
        host, origin = headers.get(b"host", ""), headers.get(b"origin")
        asked_by, asked_for = headers.get(b"sec-fetch-site", "none"), headers.get(b"sec-fetch-dest")
        path = unquote(scope["path"]).lower()
        try:
            return ((self.local and not is_loopback(urlsplit(f"//{host}").hostname or ""))
                    or (origin is not None and urlsplit(origin).netloc != host)
                    or (asked_by not in ("none", "same-origin") and asked_for != "document")
                    or any(part in path for part in ELSEWHERE))
        except ValueError:  # no name of a machine
            return True
