"""Where a webhook may go: addresses of the public internet, nothing inside our own network.

Whoever registers an endpoint chooses where our workers connect to. So a URL is judged by its form, its name is resolved
anew before every attempt, every address it resolves to is judged, and the connection goes to a judged address: a name
that answers otherwise a moment later gains nothing.
"""

import re
import socket
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import urlsplit

import idna

from worker.settings import settings

LONGEST_URL = 500
_HTTPS_PORT = 443
_LOWEST_FREE_PORT = 1024

# Python's urlsplit drops tabs and line ends, browsers read "\" as "/": neither reaches it. IRIs are written in ASCII.
_VISIBLE = re.compile(r"[\x21-\x5b\x5d-\x7e]+")
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")

# Public by number, but not a public place, and not told so by the registries that `ipaddress` follows.
_MORE_PRIVATE = (
    ip_network("168.63.129.16/32"),  # Azure answers the machines inside it here
    ip_network("192.0.0.0/24"),  # protocol assignments; Oracle's cloud keeps its metadata here
    ip_network("192.88.99.0/24"),  # 6to4 relays: leads to an IPv4 address of the caller's choice
    ip_network("2002::/16"),  # 6to4, likewise
    ip_network("2001::/23"),  # Teredo and other special purposes
    ip_network("64:ff9b::/96"),  # NAT64, likewise
    ip_network("64:ff9b:1::/48"),
    ip_network("3fff::/20"),  # documentation; younger than the tables of Python 3.11
)
_GLOBAL_UNICAST = ip_network("2000::/3")

Address = IPv4Address | IPv6Address


class Refused(Exception):  # noqa: N818 - a verdict
    """The URL or its address is none that we call. `reason` is one of our own words and bears nothing of the URL."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, repr=False)
class Target:
    """A URL in its parts. It does not print itself: receivers put tokens into URLs.

    Attributes:
        host: a name in ASCII, or an address.
        path: with the query, as it is sent.
    """

    is_https: bool
    host: str
    port: int
    path: str

    @property
    def host_header(self) -> str:
        """The `Host` that goes with it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.is_https else 80) else f"{host}:{self.port}"


def target_of(url: str) -> Target:
    """Return a URL's parts, if its form is one that we call.

    Raises:
        Refused: with `url_too_long`, `url_malformed`, `url_not_https`, `url_with_credentials`, `url_with_fragment`,
            `port_refused`, or what `check` says of an address.
    """
    if len(url) > LONGEST_URL:
        raise Refused("url_too_long")
    if not _VISIBLE.fullmatch(url):
        raise Refused("url_malformed")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise Refused("url_malformed") from None
    is_https = parts.scheme == "https"
    if not is_https and not (parts.scheme == "http" and settings().webhook_allow_private):
        raise Refused("url_not_https")
    if "@" in parts.netloc:
        raise Refused("url_with_credentials")
    if "#" in url:
        raise Refused("url_with_fragment")
    if not host or parts.netloc.endswith(":"):
        raise Refused("url_malformed")
    port = port if port is not None else (_HTTPS_PORT if is_https else 80)
    if not _may_use(port):
        raise Refused("port_refused")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(is_https, _host(host), port, path)


def resolved(target: Target) -> list[Address]:
    """Return the addresses to try, every one judged.

    Raises:
        Refused: `name_not_found`, or `address_refused` if even one of them is not public: a name that leads to both
            kinds was made to.
    """
    try:
        found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise Refused("name_not_found") from None
    addresses = list(dict.fromkeys(ip_address(entry[4][0]) for entry in found))
    for address in addresses:
        check(address)
    if not addresses:
        raise Refused("name_not_found")
    return addresses


def check(address: Address) -> None:
    """Let a public address pass.

    Raises:
        Refused: `address_refused`.
    """
    if not settings().webhook_allow_private and not is_public(address):
        raise Refused("address_refused")


def is_public(address: Address) -> bool:
    """Whether this is an address of the public internet, for one receiver, reached without a detour.

    Loopback, private, link-local (where clouds keep their metadata), shared (RFC 6598), documentation, multicast and
    reserved ranges are not, nor is an IPv6 address that only wraps an IPv4 one.

    Source: IANA IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890), as the standard library follows them.
    """
    if isinstance(address, IPv6Address) and (address not in _GLOBAL_UNICAST or address.scope_id is not None):
        return False
    special = address.is_multicast or address.is_reserved or address.is_unspecified
    return address.is_global and not special and not any(address in network for network in _MORE_PRIVATE)


def _may_use(port: int) -> bool:
    # Below 1024 live protocols that could take an HTTP request for something else, mail above all.
    return port == _HTTPS_PORT or port >= _LOWEST_FREE_PORT or settings().webhook_allow_private


def _host(host: str) -> str:
    try:
        address = ip_address(host)
    except ValueError:
        return _name(host)
    check(address)
    return str(address)


def _name(host: str) -> str:
    try:
        name = idna.encode(host.rstrip("."), uts46=True).decode() if "xn--" in host else host.removesuffix(".")
    except idna.IDNAError:
        raise Refused("url_malformed") from None
    labels = name.lower().split(".")
    if not all(_LABEL.fullmatch(label) for label in labels):
        raise Refused("url_malformed")
    # Resolvers read 2130706433, 0x7f.1 and 127.1 as 127.0.0.1. No domain's last label begins with a digit.
    if labels[-1][0].isdecimal():
        raise Refused("address_refused")
    if len(labels) == 1 and not settings().webhook_allow_private:
        raise Refused("address_refused")
    return ".".join(labels)
