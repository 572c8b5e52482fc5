"""TLS is verified, a company's own authority is honoured, and a proxy tunnels without being trusted with anything."""

import datetime
import ipaddress
import select
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from ecgrid_client import Credentials, ECGridClient, Endpoints, RetryPolicy, errors

from .client_replay import Server, Told, soap

x509 = pytest.importorskip("cryptography.x509", reason="certificates for this test are made with cryptography")

KEY = "0f8fad5b-d9cb-469f-a165-70867728950e"
HOST = "ecgrid.test"  # resolved by the proxy alone


def self_signed(folder: Path) -> tuple[Path, Path]:
    """A certificate for localhost and `HOST` that signs itself, and its key."""
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test authority")])
    now = datetime.datetime.now(datetime.UTC)
    names = [x509.DNSName("localhost"), x509.DNSName(HOST), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, secret = folder / "certificate.pem", folder / "key.pem"
    pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return pem, secret


@pytest.fixture
def secure(tmp_path: Path) -> Iterator[tuple[Server, Path]]:
    """A replaying server behind TLS, and its certificate."""
    pem, secret = self_signed(tmp_path)
    server = Server()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, secret)
    server._server.socket = context.wrap_socket(server._server.socket, server_side=True)
    server._server.handle_error = lambda *args: None
    server.rules = lambda asked: soap("Version", "v3.2 (Build 201)") if asked.operation == "Version" else None
    yield server, pem
    server.close()


class Proxy:
    """Tunnels every CONNECT to one port of loopback, whatever host was named, and keeps what it was told."""

    def __init__(self, port: int) -> None:
        self.heads: list[str] = []
        self._port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._tunnel, args=(client,), daemon=True).start()

    def _tunnel(self, client: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            head += client.recv(4096)
        self.heads.append(head.decode())
        with client, socket.create_connection(("127.0.0.1", self._port)) as target, suppress(OSError):
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            while True:
                ready, _, _ = select.select([client, target], [], [], 5)
                for source in ready:
                    piece = source.recv(65536)
                    if not piece:
                        return
                    (target if source is client else client).sendall(piece)
                if not ready:
                    return

    def close(self) -> None:
        self._listener.close()


def client_at(host: str, server: Server) -> ECGridClient:
    port = server.origin.rpartition(":")[2]
    url = f"https://{host}:{port}/v3.2/prod/ECGridOS.asmx"
    return ECGridClient(Endpoints(url, url, url), Credentials(api_key=KEY), retry=RetryPolicy(1))


def test_an_unknown_authority_is_refused(secure: tuple[Server, Path]) -> None:
    server, _pem = secure
    with client_at("localhost", server) as client, pytest.raises(errors.ServiceUnreachable) as caught:
        client.ask("v3.2", "Version")
    assert "certificate" in str(caught.value)
    assert caught.value.should_retry is False
    assert caught.value.may_have_run is False
    assert server.asked == []


def test_a_companys_own_authority_is_honoured(secure: tuple[Server, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    server, pem = secure
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    with client_at("localhost", server) as client:
        assert client.ask("v3.2", "Version").http_status == 200
        assert client.ask("v3.2", "Version").http_status == 200
    assert len(server.asked) == 2


def test_an_authority_file_that_is_none(secure: tuple[Server, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    server, _pem = secure
    monkeypatch.setenv("SSL_CERT_FILE", "/no/such/file.pem")
    with client_at("localhost", server) as client, pytest.raises(errors.SettingsError, match="SSL_CERT_FILE"):
        client.ask("v3.2", "Version")


def test_plain_http_where_tls_belongs(server: Server) -> None:
    with client_at("localhost", server) as client, pytest.raises(errors.ServiceUnreachable, match="no trusted"):
        client.ask("v3.2", "Version")


def test_a_proxy_tunnels(secure: tuple[Server, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    server, pem = secure
    proxy = Proxy(int(server.origin.rpartition(":")[2]))
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    monkeypatch.setenv("HTTPS_PROXY", f"http://user:pa%24s@127.0.0.1:{proxy.port}")
    with client_at(HOST, server) as client:
        assert client.ask("v3.2", "Version").http_status == 200
    monkeypatch.setenv("NO_PROXY", HOST)
    with client_at(HOST, server) as client, pytest.raises(errors.ServiceUnreachable, match="no address"):
        client.ask("v3.2", "Version")
    proxy.close()
    (head,) = proxy.heads
    assert head.startswith(f"CONNECT {HOST}:")
    assert "authorization: basic dxnlcjpwysrz" in head.lower()  # user:pa$s
    assert KEY not in head
    assert "proxy-authorization" not in server.asked[0].headers


def test_a_time_out_over_tls_is_kept_too(secure: tuple[Server, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    server, pem = secure
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    server.rules = lambda asked: Told(b"<string>" + b"x" * 200 + b"</string>", drip_s=0.05)
    port = server.origin.rpartition(":")[2]
    url = f"https://localhost:{port}/x.asmx"
    with (
        ECGridClient(
            Endpoints(url, url, url), Credentials(api_key=KEY), retry=RetryPolicy(1), call_timeout_s=1
        ) as client,
        pytest.raises(errors.ServiceUnreachable, match="within 1 s"),
    ):
        client.ask("v3.2", "Version", binding="get")
