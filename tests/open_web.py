"""A little web of our own: HTTPS servers on loopback addresses, with certificates of a CA made for the test."""

import asyncio
import ipaddress
import ssl
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from llm_gateway.domain.public_addresses import is_public
from llm_gateway.fetching.names import ListedNames
from llm_gateway.fetching.web_fetcher import WebFetcher

HOST = "pictures.example"
HERE = "127.0.0.1"
PNG = b"\x89PNG\r\n\x1a\n" + b"\x00" * 60
PDF = b"%PDF-1.7\n" + b"\x00" * 60
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Authority:
    """Signs certificates, and is trusted by whoever asks for its context."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "CA of a test")])
        self.certificate = self._sign(self._name, self._key, [], is_ca=True)

    def _sign(self, name: x509.Name, key: Any, hosts: list[str], *, is_ca: bool) -> x509.Certificate:
        now = datetime.now(UTC)
        building = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        )
        if hosts:
            names = [
                x509.IPAddress(ipaddress.ip_address(host)) if host[0].isdigit() else x509.DNSName(host)
                for host in hosts
            ]
            building = building.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return building.sign(self._key, hashes.SHA256())

    def serving(self, *hosts: str) -> ssl.SSLContext:
        """For a server that is these hosts."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, hosts[0])])
        signed = self._sign(name, key, list(hosts), is_ca=False)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "server.pem"
            written = key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            file.write_bytes(written + signed.public_bytes(serialization.Encoding.PEM))
            context.load_cert_chain(file)
        return context

    def trusting(self) -> ssl.SSLContext:
        """For a client that believes this authority alone."""
        return ssl.create_default_context(cadata=self.certificate.public_bytes(serialization.Encoding.PEM).decode())


AUTHORITY = Authority()


@dataclass
class Site:
    """A server, what it was asked, and how often somebody connected."""

    port: int
    asked: list[web.BaseRequest] = field(default_factory=list[web.BaseRequest])
    connected: int = 0

    def url(self, path: str = "/a.png", host: str = HOST) -> str:
        return f"https://{host}:{self.port}{path}"

    def fetcher(self, **more: Any) -> WebFetcher:
        """Knows this site's host, believes the authority, and takes loopback for the open internet."""
        given: dict[str, Any] = {
            "most_bytes": 20_000_000,
            "names": ListedNames({HOST: [HERE]}),
            "tls": AUTHORITY.trusting(),
            "is_allowed": lambda address: is_public(address) or str(address) == HERE,
        }
        return WebFetcher(**(given | more))


@asynccontextmanager
async def open_site(
    pages: Mapping[str, Handler], *, address: str = HERE, port: int = 0, hosts: tuple[str, ...] = (HOST, HERE)
) -> AsyncIterator[Site]:
    """Serves pages by their path; the rest is 404."""
    site = Site(0)

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        site.asked.append(request)
        page = pages.get(request.path)
        return web.Response(status=404) if page is None else await page(request)  # type: ignore[arg-type]

    server = web.Server(answer)

    def connect() -> Any:
        site.connected += 1
        return server()

    listening = await asyncio.get_running_loop().create_server(
        connect, address, port, ssl=AUTHORITY.serving(*hosts), ssl_handshake_timeout=20
    )
    site.port = listening.sockets[0].getsockname()[1]
    try:
        yield site
    finally:
        listening.close()
        await server.shutdown(1)


def giving(body: bytes, media_type: str = "image/png", status: int = 200, **headers: str) -> Handler:
    """A page that is always the same; ``_`` in names of headers stands for ``-``."""

    async def page(_: web.Request) -> web.StreamResponse:
        told = {"Content-Type": media_type, **{name.replace("_", "-"): value for name, value in headers.items()}}
        return web.Response(body=body, status=status, headers=told)

    return page


def moving(to: str, status: int = 302) -> Handler:
    """A page that sends on."""
    return giving(b"", status=status, Location=to)
