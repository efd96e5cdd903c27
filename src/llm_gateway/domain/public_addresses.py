"""Which addresses are the open internet's, so that nobody outside makes us knock at a door inside. Pure.

An own list rather than ``ipaddress.is_global``, whose answers changed between Python's releases. Of IPv6 only the
global unicast block is let through, less what is special in it; so no form that holds an IPv4 address within (mapped,
compatible, NAT64, 6to4, Teredo) reaches anything.
"""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

_NOT_PUBLIC_V4 = tuple(
    ip_network(block)
    for block in (
        "0.0.0.0/8",  # this host
        "10.0.0.0/8",
        "100.64.0.0/10",  # carriers' NAT, and Alibaba's metadata
        "127.0.0.0/8",
        "168.63.129.16/32",  # Azure's wire server, of a public block
        "169.254.0.0/16",  # link-local, and the metadata of AWS, Azure and Google
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
    )
)
_GLOBAL_UNICAST_V6 = ip_network("2000::/3")
_NOT_PUBLIC_V6 = tuple(
    ip_network(block)
    for block in (
        "2001::/23",  # Teredo, ORCHID and others of the IETF
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4
        "3fff::/20",  # documentation
    )
)


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether the address belongs to the open internet."""
    if isinstance(address, IPv4Address):
        return not any([address in block for block in _NOT_PUBLIC_V4])
    if address not in _GLOBAL_UNICAST_V6:
        return False
    return not any([address in block for block in _NOT_PUBLIC_V6])


def as_address(text: str) -> IPv4Address | IPv6Address | None:
    """The address a text writes in the usual form; ``None`` where it is a name, or one of the forms of old."""
    try:
        return ip_address(text.partition("%")[0])
    except ValueError:
        return None
