"""Sending a request to an address that somebody else has chosen, without being led anywhere.

The name is resolved once; each of its addresses must be one of the open internet; the connection
goes to the address that was checked, with the name for TLS and the `Host` header. No redirect is
followed, no proxy of the environment is asked, and the whole exchange ends within its time however
slowly the other side drips.
"""

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from kvit.integrations._addresses import is_open

TIMEOUT_S = 20.0
ANSWER_BYTES = 4_096
PORTS = {"https": 443, "http": 80}

Resolve = Callable[[str, int], list[str]]


class NotSent(OSError):
    """No answer came; `reason` is one of the words of `REASONS`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


REASONS = ("address_refused", "name_unknown", "no_connection", "tls_failed", "timeout", "no_answer")


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: the beginning of the body alone."""

    status: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Target:
    """A URL taken apart."""

    scheme: str
    host: str  # in ASCII
    port: int
    path: str


@dataclass(slots=True)
class _Line:
    """A connection, and whether the watch has cut it."""

    connection: http.client.HTTPConnection
    is_cut: bool = field(default=False)


def target_of(url: str) -> Target:
    """Take a URL apart.

    Raises:
        ValueError: it is no http(s) URL, or carries a user, a fragment or an impossible port.
    """
    if any(sign <= " " or sign == "\\" for sign in url):
        raise ValueError("url")
    parts = urlsplit(url)
    if parts.scheme not in PORTS or not parts.hostname:
        raise ValueError("scheme")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise ValueError("user")
    host = parts.hostname if ":" in parts.hostname else parts.hostname.encode("idna").decode()
    path = parts.path or "/"
    return Target(
        parts.scheme,
        host,
        parts.port if parts.port is not None else PORTS[parts.scheme],
        f"{path}?{parts.query}" if parts.query else path,
    )


def resolved(host: str, port: int) -> list[str]:
    """Return the addresses of a name, in the resolver's order."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return list(dict.fromkeys(str(one[4][0]) for one in found))


def post(
    url: str,
    *,
    headers: Mapping[str, str],
    body: bytes,
    allow_private: bool = False,
    timeout_s: float = TIMEOUT_S,
    resolve: Resolve = resolved,
    trust: ssl.SSLContext | None = None,
) -> Answer:
    """Send one POST and return the answer, whatever its status.

    Args:
        allow_private: an operator's setting for tests on one machine; plain http goes with it.

    Raises:
        NotSent: no answer came, or the address may not be spoken to.
    """
    target = _target(url, allow_private=allow_private)
    address = _address(target, resolve, allow_private=allow_private)
    deadline = time.monotonic() + timeout_s
    line = _Line(_connected(target, address, timeout_s))
    with _watched(line, deadline):
        try:
            if target.scheme == "https":
                _secure(line.connection, target.host, trust or ssl.create_default_context())
            line.connection.putrequest("POST", target.path, skip_accept_encoding=True)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                line.connection.putheader(name, value)
            line.connection.endheaders(body)
            answer = line.connection.getresponse()
            return Answer(answer.status, answer.read(ANSWER_BYTES))
        except ssl.SSLError:
            raise NotSent("timeout" if line.is_cut else "tls_failed") from None
        except TimeoutError:
            raise NotSent("timeout") from None
        except (OSError, http.client.HTTPException, ValueError, AttributeError):
            # Cut by the watch, a connection ends in whatever way it happens to.
            raise NotSent("timeout" if line.is_cut else "no_answer") from None


def _target(url: str, *, allow_private: bool) -> Target:
    try:
        target = target_of(url)
    except ValueError:
        raise NotSent("address_refused") from None
    if target.scheme != "https" and not allow_private:
        raise NotSent("address_refused")
    return target


def _address(target: Target, resolve: Resolve, *, allow_private: bool) -> str:
    try:
        addresses = resolve(target.host, target.port)
    except (OSError, UnicodeError):
        raise NotSent("name_unknown") from None
    if not addresses:
        raise NotSent("name_unknown")
    if not allow_private and not all(map(is_open, addresses)):
        raise NotSent("address_refused")
    return addresses[0]


def _connected(target: Target, address: str, timeout_s: float) -> http.client.HTTPConnection:
    """Return a connection to the address that was checked, which speaks as to the name."""
    made = http.client.HTTPConnection(_host(target), target.port, timeout=timeout_s)
    made.default_port = PORTS[target.scheme]  # the Host header leaves the usual one out
    try:
        made.sock = socket.create_connection((address, target.port), timeout=timeout_s)
    except TimeoutError:
        raise NotSent("timeout") from None
    except OSError:
        raise NotSent("no_connection") from None
    return made


def _secure(made: http.client.HTTPConnection, host: str, context: ssl.SSLContext) -> None:
    """Speak TLS from here on; the watch sees the socket before the other side is waited for."""
    secure = context.wrap_socket(made.sock, server_hostname=host, do_handshake_on_connect=False)
    made.sock = secure
    secure.do_handshake()


def _host(target: Target) -> str:
    return f"[{target.host}]" if ":" in target.host else target.host


@contextmanager
def _watched(line: _Line, deadline: float) -> Iterator[None]:
    """Cut the line at the deadline: a timeout of a socket counts each byte anew."""

    def cut() -> None:
        line.is_cut = True
        sock: Any = line.connection.sock
        if sock is not None:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    watch = threading.Timer(max(deadline - time.monotonic(), 0), cut)
    watch.daemon = True
    watch.start()
    try:
        yield
    finally:
        watch.cancel()
        line.connection.close()
