"""The HTTP that registries need: certificates, proxies, redirects."""

from __future__ import annotations

import ipaddress
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from paddock.images.errors import ImageUnavailable
from paddock.images.http import HttpClient, HttpRefused


class Handler(BaseHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class calls it so
        pass

    def do_GET(self) -> None:
        if self.path.startswith("/to="):
            self.send_response(302)
            self.send_header("Location", self.path.removeprefix("/to="))
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        body = f"{self.path} {self.headers.get('Authorization')}".encode()
        self.send_response(418 if self.path == "/refused" else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def serving(certificate: Path | None = None) -> Iterator[str]:
    """Its `address:port`."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of 127.0.0.1, signed by nobody else."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    place = tmp_path_factory.mktemp("certificate") / "both.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    place.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return place


def got(url: str, authorization: str | None = None) -> str:
    with HttpClient().get(url, {}, authorization, 20) as answer:
        return answer.whole(1000).decode()


def test_a_certificate_is_checked(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(certificate) as address:
        with pytest.raises(ImageUnavailable, match="certificate"):
            got(f"https://{address}/x")
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert got(f"https://{address}/x", "mine") == "/x mine"


def test_credentials_do_not_follow_a_redirect_to_another_host() -> None:
    with serving() as first, serving() as second:
        assert got(f"http://{first}/to=http://{second}/there", "mine") == "/there None"


def test_an_encrypted_connection_is_not_left_for_an_open_one(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with serving(certificate) as address:
        for target in (f"http://{address}/x", "http://registry.example/x", "file:///etc/passwd", "ftp://a.example/x"):
            with pytest.raises((ImageUnavailable, HttpRefused)):
                got(f"https://{address}/to={target}")


def test_a_refusal_keeps_its_status() -> None:
    with serving() as address, pytest.raises(HttpRefused) as refused:
        got(f"http://{address}/refused")
    assert refused.value.status == 418


def test_no_proxy_is_between_this_machine_and_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with serving() as address, serving() as proxy:
        for name in ("http_proxy", "https_proxy"):
            monkeypatch.setenv(name, f"http://{proxy}")
        assert got(f"http://{address}/x") == "/x None"
        # Whatever is asked of a proxy, it is asked for by its whole address.
        assert got("http://registry.example/x").startswith("http://registry.example/x")
