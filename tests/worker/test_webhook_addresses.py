"""Which URLs and addresses a webhook may go to: nothing inside our own network, however it is spelt."""

import socket
from collections.abc import Callable
from ipaddress import ip_address
from typing import Any

import pytest

from worker.settings import Settings, settings
from worker.webhooks.addresses import Refused, is_public, resolved, target_of

pytestmark = pytest.mark.usefixtures("environment")

Resolver = Callable[..., None]


@pytest.fixture
def names(environment: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let names lead to addresses of the test's choice."""

    def lead_to(*addresses: str) -> None:
        found = [(socket.AF_INET6 if ":" in a else socket.AF_INET, 1, 6, "", (a, 443)) for a in addresses]
        environment.setattr(socket, "getaddrinfo", lambda *_a, **_k: found)

    return lead_to


def reason(act: Callable[[], Any]) -> str:
    with pytest.raises(Refused) as refused:
        act()
    return refused.value.reason


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("127.0.0.1", "loopback"),
        ("127.255.255.254", "loopback, all of it"),
        ("0.0.0.0", "this host"),  # noqa: S104 - it is refused
        ("10.1.2.3", "private"),
        ("172.16.0.1", "private"),
        ("172.31.255.255", "private, its end"),
        ("192.168.1.1", "private"),
        ("169.254.169.254", "link-local: metadata of most clouds"),
        ("100.64.0.1", "shared by carriers (RFC 6598)"),
        ("100.100.100.200", "likewise: Alibaba's metadata"),
        ("168.63.129.16", "Azure's own server, public by number"),
        ("192.0.0.192", "Oracle's metadata"),
        ("192.0.2.1", "documentation"),
        ("198.18.0.1", "benchmarks"),
        ("192.88.99.1", "6to4 relay"),
        ("224.0.0.1", "multicast"),
        ("239.255.255.250", "multicast within a site"),
        ("240.0.0.1", "reserved"),
        ("255.255.255.255", "broadcast"),
        ("::", "this host"),
        ("::1", "loopback"),
        ("::127.0.0.1", "an IPv4 address in IPv6's oldest clothes"),
        ("::ffff:127.0.0.1", "mapped loopback"),
        ("::ffff:8.8.8.8", "mapped, even though public"),
        ("64:ff9b::7f00:1", "NAT64 of loopback"),
        ("64:ff9b:1::a00:1", "NAT64 of one's own"),
        ("2002:7f00:1::", "6to4 of loopback"),
        ("2001:0:1::1", "Teredo"),
        ("2001:db8::1", "documentation"),
        ("3fff::1", "documentation, the newer"),
        ("fe80::1", "link-local"),
        ("fec0::1", "site-local"),
        ("fd00:ec2::254", "unique local: metadata of AWS"),
        ("fc00::1", "unique local"),
        ("ff02::1", "multicast"),
        ("ff0e::1", "multicast, worldwide"),
        ("100::1", "discarded"),
        ("5f00::1", "segment routing"),
    ],
)
def test_an_address_that_is_no_public_place_is_refused(address: str, why: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", ["8.8.8.8", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "2400:cb00::1"])
def test_a_public_address_passes(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize(
    ("url", "because"),
    [
        ("http://hooks.example.com/", "url_not_https"),
        ("ftp://hooks.example.com/", "url_not_https"),
        ("//hooks.example.com/", "url_not_https"),
        ("hooks.example.com", "url_not_https"),
        ("https://user@hooks.example.com/", "url_with_credentials"),
        ("https://user:word@hooks.example.com/", "url_with_credentials"),
        ("https://@hooks.example.com/", "url_with_credentials"),
        ("https://hooks.example.com/#part", "url_with_fragment"),
        ("https://hooks.example.com/#", "url_with_fragment"),
        ("https://hooks.example.com:25/", "port_refused"),
        ("https://hooks.example.com:80/", "port_refused"),
        ("https://hooks.example.com:0/", "port_refused"),
        ("https://hooks.example.com:70000/", "url_malformed"),
        ("https://hooks.example.com:/", "url_malformed"),
        ("https:///path", "url_malformed"),
        ("https://hooks.example.com/\r\nX-Evil: 1", "url_malformed"),
        ("https://hooks.example.com\\@127.0.0.1/", "url_malformed"),
        ("https://hooks.exa\tmple.com/", "url_malformed"),
        ("https://フック.example.com/", "url_malformed"),
        ("https://hooks..example.com/", "url_malformed"),
        ("https://-hooks.example.com/", "url_malformed"),
        ("https://%31%32%37.0.0.1/", "url_malformed"),
        ("https://[::1/", "url_malformed"),
        ("https://[fe80::1%25eth0]/", "address_refused"),
        ("https://127.0.0.1/", "address_refused"),
        ("https://[::1]/", "address_refused"),
        ("https://[::ffff:127.0.0.1]/", "address_refused"),
        ("https://2130706433/", "address_refused"),
        ("https://0x7f000001/", "address_refused"),
        ("https://0x7f.1/", "address_refused"),
        ("https://0177.0.0.1/", "address_refused"),
        ("https://127.1/", "address_refused"),
        ("https://127.0.0.1./", "address_refused"),
        ("https://169.254.169.254/latest/meta-data", "address_refused"),
        ("https://localhost/", "address_refused"),
        ("https://redis:6379/", "address_refused"),
        ("https://hooks.example.com/" + "a" * 500, "url_too_long"),
    ],
)
def test_a_url_of_a_doubtful_form_is_refused(url: str, because: str) -> None:
    assert reason(lambda: target_of(url)) == because


@pytest.mark.parametrize(
    ("url", "host", "port", "path"),
    [
        ("https://hooks.example.com", "hooks.example.com", 443, "/"),
        ("https://HOOKS.example.com./a?b=c", "hooks.example.com", 443, "/a?b=c"),
        ("https://hooks.example.com:8443/a", "hooks.example.com", 8443, "/a"),
        ("https://xn--eckwd4c7c.example.jp/", "xn--eckwd4c7c.example.jp", 443, "/"),
        ("https://8.8.8.8/a", "8.8.8.8", 443, "/a"),
        ("https://[2606:4700::1111]/", "2606:4700::1111", 443, "/"),
    ],
)
def test_a_sound_url_comes_apart(url: str, host: str, port: int, path: str) -> None:
    target = target_of(url)

    assert (target.is_https, target.host, target.port, target.path) == (True, host, port, path)


@pytest.mark.parametrize(
    ("url", "header"),
    [
        ("https://hooks.example.com/", "hooks.example.com"),
        ("https://hooks.example.com:8443/", "hooks.example.com:8443"),
        ("https://[2606:4700::1111]:8443/", "[2606:4700::1111]:8443"),
    ],
)
def test_the_host_is_named_as_servers_expect_it(url: str, header: str) -> None:
    assert target_of(url).host_header == header


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.5", "169.254.169.254", "::1", "::ffff:10.0.0.5", "fd00::1"])
def test_a_name_that_leads_inside_is_refused(names: Resolver, address: str) -> None:
    names(address)

    assert reason(lambda: resolved(target_of("https://hooks.example.com/"))) == "address_refused"


def test_a_name_with_a_public_and_a_private_address_is_refused(names: Resolver) -> None:
    names("8.8.8.8", "10.0.0.5")

    assert reason(lambda: resolved(target_of("https://hooks.example.com/"))) == "address_refused"


def test_a_public_name_yields_its_addresses_once_each(names: Resolver) -> None:
    names("8.8.8.8", "8.8.8.8", "2606:4700::1111")

    found = resolved(target_of("https://hooks.example.com/"))

    assert [str(address) for address in found] == ["8.8.8.8", "2606:4700::1111"]


def test_a_name_that_does_not_exist_is_said_so(environment: pytest.MonkeyPatch) -> None:
    def nobody(*_given: Any, **_more: Any) -> None:
        raise socket.gaierror

    environment.setattr(socket, "getaddrinfo", nobody)

    assert reason(lambda: resolved(target_of("https://hooks.example.com/"))) == "name_not_found"


def test_development_may_let_webhooks_go_to_this_machine(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("WEBHOOK_ALLOW_PRIVATE", "true")
    settings.cache_clear()

    found = resolved(target_of("http://127.0.0.1:8099/hooks"))

    assert [str(address) for address in found] == ["127.0.0.1"]


def test_production_refuses_to() -> None:
    with pytest.raises(ValueError, match="WEBHOOK_ALLOW_PRIVATE"):
        Settings(environment="production", webhook_allow_private=True)


def test_a_target_does_not_print_itself() -> None:
    assert "token" not in repr(target_of("https://hooks.example.com/?token=secret"))
