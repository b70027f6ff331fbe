"""What counts as one network: whatever one subscriber may change at will is none of its own."""

import pytest

from worker.networks import network_digest, network_of


@pytest.mark.parametrize(
    ("address", "network"),
    [
        pytest.param("192.0.2.9", "192.0.2.9", id="IPv4"),
        pytest.param("::ffff:192.0.2.9", "192.0.2.9", id="the same, as a machine with both writes it"),
        pytest.param("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64", id="what one subscriber has of IPv6"),
        pytest.param("2001:db8:1:2::1", "2001:db8:1:2::/64", id="another of its addresses"),
        pytest.param("2001:DB8:1:3::1", "2001:db8:1:3::/64", id="the neighbour"),
        pytest.param("fe80::1%eth0", "fe80::/64", id="with the interface that it came by"),
    ],
)
def test_addresses_of_one_subscriber_are_one_network(address: str, network: str) -> None:
    assert network_of(address) == network


def test_its_digest_bears_no_address_and_is_one_for_all_of_a_network() -> None:
    one, other = network_digest("2001:db8:1:2::aaaa"), network_digest("2001:db8:1:2::bbbb")

    assert one == other
    assert one != network_digest("2001:db8:1:3::aaaa")
    assert one is not None
    assert "2001" not in one


def test_who_came_from_nowhere_has_no_network() -> None:
    assert network_digest(None) is None
