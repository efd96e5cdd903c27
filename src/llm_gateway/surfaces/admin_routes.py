"""``/admin/routes`` and ``/admin/reload``: how the routes are, and the gateway file read anew."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from llm_gateway.surfaces.json_values import only
from llm_gateway.surfaces.money_words import Json

Body = Mapping[str, object]
Answer = Callable[[str, Body], Awaitable[Json]]


class RouteKeeper(Protocol):
    """Whoever keeps the routes of this process."""

    def told(self) -> Mapping[str, object]:
        """Routes and targets as JSON values."""
        ...

    async def reload(self) -> Mapping[str, object]:
        """Puts in force what the gateway file says now; what changed, as JSON values.

        Raises:
            InvalidRequest: there is no file, or it is wrong; then all stays as it was.
        """
        ...


def route_answers(keeper: RouteKeeper) -> Mapping[str, Mapping[str, Answer]]:
    """The answers by path and method."""

    async def routes(_: str, body: Body) -> Json:
        only(body, (), "")
        return dict(keeper.told())

    async def reload(_: str, body: Body) -> Json:
        only(body, (), "")
        return {"reloaded": True, **await keeper.reload()}

    return {"/admin/routes": {"GET": routes}, "/admin/reload": {"POST": reload}}
