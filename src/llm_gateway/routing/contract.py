"""What the gateway asks of whoever knows the ways, and what is told of them."""

from collections.abc import Mapping
from typing import Protocol

from llm_gateway.domain.routes import RouteTable


class RouteBook(Protocol):
    """The routes in force, and how their targets are. A request goes by the routes that were in force when it came."""

    def replace(self, table: RouteTable) -> None:
        """Other routes from now on, all at once; what is known of targets that stay is kept."""
        ...

    def told(self) -> Mapping[str, object]:
        """Routes and targets as JSON values, for people: ``routes`` with their targets in order, ``targets`` with
        breaker, calls under way, what is left of their quota and the usual wait for the first token."""
        ...
