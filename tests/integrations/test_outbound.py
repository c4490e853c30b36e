"""A request to an address that somebody else chose: where it may not go, and how it ends."""

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kvit.integrations import outbound
from kvit.integrations.outbound import NotSent, post, target_of
from tests.integrations.receiver import Receiver, receiving

# What a resolver may answer that no webhook is ever sent to.
CLOSED = """
0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 100.127.255.255 127.0.0.1 127.1.2.3
127.255.255.255 169.254.0.1 169.254.169.254 172.16.0.1 172.31.255.255 192.0.0.1 192.0.0.170
192.0.2.1 192.88.99.1 192.168.0.1 192.168.255.255 198.18.0.1 198.19.255.255 198.51.100.1
203.0.113.1 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255
:: ::1 ::7f00:1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254 ::ffff:0:127.0.0.1
64:ff9b::7f00:1 64:ff9b::a00:1 64:ff9b::a9fe:a9fe 64:ff9b:1::1 64:ff9b:1:abcd::7f00:1 100::1
2001::1 2001:0:4136:e378:8000:63bf:3fff:fdd2 2001:2::1 2001:10::1 2001:db8::1 2002:7f00:1::
2002:a00:1::1 2002:a9fe:a9fe::1 2002:808:808::1 3fff::1 5f00::1 fc00::1 fd00:ec2::254 fdff::1
fe80::1 fe80::1%eth0 fec0::1 ff02::1 ff0e::1 2606:4700::1111%eth0 127.0.0.1%1
not-an-address 1.2.3 256.1.1.1 01.02.03.04
""".split()
OPEN = """
1.1.1.1 8.8.8.8 93.184.215.14 172.15.255.255 172.32.0.1 100.63.255.255 100.128.0.1
2606:4700:4700::1111 2a00:1450:4010:c0e::71 64:ff9b::808:808 ::ffff:8.8.8.8
""".split()
# Spellings of this very machine in a URL: the resolver says what they are.
SPELLINGS = """
http://127.0.0.1/ http://2130706433/ http://0x7f000001/ http://0177.0.0.1/ http://127.1/
http://[::1]/ http://[::ffff:127.0.0.1]/ http://localhost/ http://localhost./ http://0/
http://127.0.0.1:22/ http://[0:0:0:0:0:0:0:1]/ http://[::ffff:7f00:1]/ http://①②⑦.⓪.⓪.①/
""".split()
NO_URLS = r"""
ftp://example.com/ file:///etc/passwd gopher://example.com/ example.com //example.com javascript:1
https:// https://@/ https://user@example.com/ https://user:pw@example.com/ https://example.com\@h/
https://example.com/#x https://example.com:99999/ https://example.com:a/ https://[::1 http:///x
""".split()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as told:
        yield told


def refusal(url: str, **options: object) -> str:
    with pytest.raises(NotSent) as caught:
        post(url, headers={}, body=b"{}", timeout_s=1.0, **options)  # type: ignore[arg-type]
    return caught.value.reason


@pytest.mark.parametrize("address", CLOSED)
def test_an_address_that_is_not_of_the_open_internet_is_refused(address: str) -> None:
    assert refusal("https://example.com/", resolve=lambda *_: [address]) == "address_refused"


@pytest.mark.parametrize("address", CLOSED[:6])
def test_one_closed_address_among_open_ones_is_enough(address: str) -> None:
    mixed = ["1.1.1.1", address, "2606:4700:4700::1111"]
    assert refusal("https://example.com/", resolve=lambda *_: mixed) == "address_refused"


@pytest.mark.parametrize("address", OPEN)
def test_the_open_internet_is_spoken_to(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, int]] = []

    def connect(where: tuple[str, int], timeout: float) -> socket.socket:
        asked.append(where)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "create_connection", connect)
    assert refusal("https://example.com/", resolve=lambda *_: [address]) == "no_connection"
    assert asked == [(address, 443)]


@pytest.mark.parametrize("url", SPELLINGS)
def test_no_spelling_of_this_machine_is_let_through(url: str) -> None:
    assert refusal(url.replace("http:", "https:")) in {"address_refused", "name_unknown"}


@pytest.mark.parametrize("url", [*NO_URLS, "https://exa mple.com/", "https://example.com/\r\nX: 1"])
def test_what_is_no_plain_url_is_no_target(url: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - whatever it says
        target_of(url)


def test_the_name_is_resolved_once_and_its_answer_is_what_is_spoken_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """DNS rebinding: the second answer, which would lead inside, is never asked for."""
    answers = iter([["1.1.1.1"], ["127.0.0.1"]])
    asked: list[str] = []

    def connect(where: tuple[str, int], timeout: float) -> socket.socket:
        asked.append(where[0])
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "create_connection", connect)
    refusal("https://rebind.example/", resolve=lambda *_: next(answers))
    assert asked == ["1.1.1.1"]
    assert next(answers) == ["127.0.0.1"]


def test_plain_http_needs_the_operators_word(receiver: Receiver) -> None:
    assert refusal("http://example.com/", resolve=lambda *_: ["1.1.1.1"]) == "address_refused"
    assert receiver.heard == []


def test_the_request_arrives_as_it_was_meant(receiver: Receiver) -> None:
    answer = post(receiver.url, headers={"X-A": "b"}, body=b"body", allow_private=True)
    assert (answer.status, answer.body) == (200, b"ok")
    path, headers, body = receiver.heard[0]
    assert (path, headers["X-A"], body) == ("/hook?a=1", "b", b"body")
    assert headers["Host"] == receiver.url.split("/")[2]


def test_the_name_goes_into_the_host_header_and_the_address_into_the_connection(
    receiver: Receiver,
) -> None:
    url = receiver.url.replace("127.0.0.1", "shop.example")
    post(url, headers={}, body=b"", allow_private=True, resolve=lambda *_: ["127.0.0.1"])
    assert receiver.heard[0][1]["Host"].startswith("shop.example:")


def test_no_redirect_is_followed(receiver: Receiver) -> None:
    receiver.answers = [(302, b"")]
    receiver.headers = {"Location": "http://169.254.169.254/"}
    assert post(receiver.url, headers={}, body=b"", allow_private=True).status == 302
    assert len(receiver.heard) == 1


def test_no_proxy_of_the_environment_is_asked(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert post(receiver.url, headers={}, body=b"", allow_private=True).status == 200


def test_of_a_long_answer_the_beginning_is_kept(receiver: Receiver) -> None:
    receiver.answers = [(500, b"x" * 100_000)]
    answer = post(receiver.url, headers={}, body=b"", allow_private=True)
    assert (answer.status, len(answer.body)) == (500, outbound.ANSWER_BYTES)


@pytest.mark.parametrize("drip", [b"", b"H"])
def test_a_slow_answer_ends_in_time(drip: bytes) -> None:
    """Byte by byte, too: a socket's own timeout would begin anew with each."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        line, _ = listener.accept()
        try:
            for _ in range(2_000):
                line.sendall(drip)
                time.sleep(0.05)
        except OSError:
            pass

    threading.Thread(target=serve, daemon=True).start()
    began = time.monotonic()
    port = listener.getsockname()[1]
    with pytest.raises(NotSent) as caught:
        post(f"http://127.0.0.1:{port}/", headers={}, body=b"", allow_private=True, timeout_s=0.5)
    assert caught.value.reason == "timeout"
    assert time.monotonic() - began < 50  # of the hundred seconds that it would go on
    listener.close()


def test_nobody_listening_and_nonsense_answered_are_told_apart() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/"

    def serve() -> None:
        line, _ = listener.accept()
        line.recv(1000)
        line.sendall(b"nonsense\r\n\r\n")
        line.close()

    threading.Thread(target=serve, daemon=True).start()
    assert refusal(url, allow_private=True) == "no_answer"
    listener.close()
    assert refusal(url, allow_private=True) == "no_connection"


def test_a_name_that_is_nobodys_is_told() -> None:
    def unknown(*_: object) -> list[str]:
        raise socket.gaierror(-2, "unknown")

    assert refusal("https://nowhere.example/", resolve=unknown) == "name_unknown"


# --- TLS ----------------------------------------------------------------------------------------


@pytest.fixture
def authority(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate for shop.example that signs itself."""
    from datetime import UTC, datetime, timedelta

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "shop.example")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("shop.example")]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    pem, secret = tmp_path / "c.pem", tmp_path / "k.pem"
    pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return pem, secret


def test_the_certificate_must_be_of_the_name_and_of_an_authority(
    authority: tuple[Path, Path],
) -> None:
    pem, secret = authority
    with receiving() as told:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem, secret)
        url = secured(told, context)
        trust = ssl.create_default_context(cafile=str(pem))
        here = {"resolve": lambda *_: ["127.0.0.1"], "allow_private": True}
        shop, other = (
            url.replace("127.0.0.1", "shop.example"),
            url.replace("127.0.0.1", "x.example"),
        )
        answer = post(shop, headers={}, body=b"1", trust=trust, **here)  # type: ignore[arg-type]
        assert (answer.status, told.heard[0][2]) == (200, b"1")
        assert refusal(other, trust=trust, **here) == "tls_failed"
        assert refusal(shop, **here) == "tls_failed"
        assert len(told.heard) == 1


def secured(told: Receiver, context: ssl.SSLContext) -> str:
    """Put TLS before a receiver: a small relay on a port of its own."""
    listener = socket.create_server(("127.0.0.1", 0))
    port = int(told.url.split(":")[2].split("/")[0])

    def pump(source: socket.socket, target: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                target.sendall(data)
        except OSError:
            pass

    def serve() -> None:
        while True:
            try:
                line, _ = listener.accept()
                safe = context.wrap_socket(line, server_side=True)
            except OSError:
                continue
            inner = socket.create_connection(("127.0.0.1", port))
            threading.Thread(target=pump, args=(safe, inner), daemon=True).start()
            threading.Thread(target=pump, args=(inner, safe), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    return f"https://127.0.0.1:{listener.getsockname()[1]}/hook"
