"""What counts as one network, for limits: an address alone is changed at will by whoever has a thousand of them.

It keeps no address: what is stored or compared is a digest.
"""

from ipaddress import IPv6Address, ip_address, ip_network

from worker.derived_keys import fingerprint

_OF_ONE_SUBSCRIBER = 64


def network_of(address: str) -> str:
    """Return what stands for whoever comes from `address`: IPv4 as it is, of IPv6 the /64 that one subscriber has.

    An IPv4 address that a machine with both writes as IPv6 (RFC 4291, 2.5.5.2) is the IPv4 address.
    """
    given = ip_address(address)
    if not isinstance(given, IPv6Address):
        return str(given)
    if given.ipv4_mapped is not None:
        return str(given.ipv4_mapped)
    return str(ip_network((int(given), _OF_ONE_SUBSCRIBER), strict=False))


def network_digest(address: str | None) -> str | None:
    """Return the digest of a customer's network; None if nobody knows the address."""
    return fingerprint("customer-ip", network_of(address)) if address else None


__all__ = ["network_digest", "network_of"]
