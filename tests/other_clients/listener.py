"""Stands between a client and the gateway, passes every byte on as it comes, and keeps what was said."""

import http.client
import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Condition, Thread
from typing import Any

_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length"})


@dataclass
class Exchange:
    """One request and its answer; ``events`` are the data of a stream, ``[DONE]`` left out."""

    path: str
    asked: Any
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def is_stream(self) -> bool:
        return self.headers.get("content-type", "").startswith("text/event-stream")

    @property
    def events(self) -> list[Any]:
        data = [line[6:] for line in self.body.decode().splitlines() if line.startswith("data: ")]
        return [json.loads(line) for line in data if line != "[DONE]"]

    @property
    def answer(self) -> Any:
        return json.loads(self.body)


@dataclass
class Listener:
    """``exchanges`` holds what has been said since it was emptied, also what a client did not read to its end."""

    url: str
    exchanges: list[Exchange] = field(default_factory=list)
    faults: list[Exception] = field(default_factory=list)
    _under_way: int = 0
    _changed: Condition = field(default_factory=Condition)

    @property
    def last(self) -> Exchange:
        self.wait_for_ends()
        return self.exchanges[-1]

    def wait_for_ends(self) -> None:
        """Until nothing is under way: a client may be done before its answer has ended."""
        with self._changed:
            assert self._changed.wait_for(lambda: not self._under_way, timeout=60)

    def begin(self) -> None:
        with self._changed:
            self._under_way += 1

    def end(self, exchange: Exchange | None) -> None:
        with self._changed:
            self._under_way -= 1
            self.exchanges += [exchange] if exchange else []
            self._changed.notify_all()


@contextmanager
def listening_between(gateway: str) -> Iterator[Listener]:
    server = _Server(("127.0.0.1", 0), _Passing)
    server.gateway = gateway.removeprefix("http://")
    server.heard = Listener(f"http://127.0.0.1:{server.server_port}")
    running = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    running.start()
    try:
        yield server.heard
    finally:
        server.shutdown()
        running.join()
        server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    gateway: str
    heard: Listener

    def handle_error(self, *_: object) -> None:
        """A client that resets its connection is no fault; what went wrong with an exchange stands in ``faults``."""


class _Passing(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server
    has_left = False

    def log_message(self, *_: Any) -> None:
        """Nothing: stderr is the test's."""

    def do_GET(self) -> None:
        self._pass_on(b"")

    def do_POST(self) -> None:
        self._pass_on(self.rfile.read(int(self.headers.get("content-length", 0))))

    def _pass_on(self, asked: bytes) -> None:
        exchange = None
        self.server.heard.begin()
        try:
            exchange = self._exchange(asked)
        except Exception as fault:
            self.server.heard.faults.append(fault)
            raise
        finally:
            self.server.heard.end(exchange)

    def _exchange(self, asked: bytes) -> Exchange:
        sent = {name: value for name, value in self.headers.items() if name.lower() not in {*_HOP, "host"}}
        with closing(http.client.HTTPConnection(self.server.gateway, timeout=60)) as upstream:
            upstream.request(self.command, self.path, asked or None, sent)
            answer = upstream.getresponse()
            headers = {name.lower(): value for name, value in answer.getheaders()}
            self.send_response_only(answer.status)
            for name, value in headers.items():
                if name not in _HOP:
                    self.send_header(name, value)
            self.send_header("transfer-encoding", "chunked")
            self.end_headers()
            body = b""
            while piece := answer.read1(65536):
                body += piece
                self._say(b"%x\r\n%s\r\n" % (len(piece), piece))
            self._say(b"0\r\n\r\n")
        return Exchange(self.path, json.loads(asked) if asked else None, answer.status, headers, body)

    def _say(self, piece: bytes) -> None:
        """A client that has left is no fault: it had read enough."""
        if self.has_left:
            return
        try:
            self.wfile.write(piece)
            self.wfile.flush()
        except OSError:
            self.has_left = self.close_connection = True
