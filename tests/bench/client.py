"""CPU of one InvoiceCalculateLineItem call in this process: ours against zeep's, over loopback, no latency.

A child process answers each request with the wire sample. Ours is `ask` and `decode.line_item`: build, send, receive,
check, decode. zeep's is its service proxy over requests, on the same WSDL, which also sends, receives and decodes.
"""

import multiprocessing
import socket
import threading
import time
from multiprocessing.connection import Connection
from pathlib import Path

CALLS = 2_000
BODY = (Path(__file__).parents[1] / "wire" / "v3.2-InvoiceCalculateLineItem.soap11.response.xml").read_bytes()
KEY = {
    "NetworkID": 4443,
    "MailboxID": 0,
    "ReportingMonth": "2023-08-01T00:00:00",
    "AccountReport": "TrafficKCInterchangeTiered",
    "MeasureField": "TieredKCIntCount",
}


def serve(pipe: Connection) -> None:
    """Answers every request on every connection with the sample, until the parent ends."""
    listener = socket.create_server(("127.0.0.1", 0))
    pipe.send(listener.getsockname()[1])
    answer = (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/xml; charset=utf-8\r\nContent-Length: "
        + str(len(BODY)).encode()
        + b"\r\n\r\n"
        + BODY
    )
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=answer_all, args=(connection, answer), daemon=True).start()


def answer_all(connection: socket.socket, answer: bytes) -> None:
    """One connection's requests, until it closes."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    held = b""
    while piece := connection.recv(65536):
        held += piece
        head, found, rest = held.partition(b"\r\n\r\n")
        if not found:
            continue
        lines = [line.partition(b":") for line in head.lower().split(b"\r\n")]
        length = next((int(value) for name, _, value in lines if name == b"content-length"), 0)
        if len(rest) >= length:
            held = rest[length:]
            connection.sendall(answer)


def ours(port: int) -> tuple[float, float]:
    """CPU and wall milliseconds a call."""
    from ecgrid_client import Credentials, ECGridClient, Endpoints, decode

    url = f"http://127.0.0.1:{port}/v3.2/prod/ECGridOS.asmx"
    client = ECGridClient(Endpoints(url, url, url), Credentials(api_key="11111111-2222-4333-8444-555555555555"))
    for _ in range(50):
        client.ask("v3.2", "InvoiceCalculateLineItem", KEY)
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(CALLS):
        line = decode.line_item(client.ask("v3.2", "InvoiceCalculateLineItem", KEY).body)
        assert line is not None
        assert str(line.amount) == "72.96"
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    client.close()
    return cpu * 1000 / CALLS, wall * 1000 / CALLS


def zeeps(port: int) -> tuple[float, float]:
    """CPU and wall milliseconds a call, of zeep's service proxy."""
    import datetime

    import zeep

    from ecgrid_client import operations
    from ecgrid_client.envelopes import _WSDL_NAME, _OfflineTransport

    class Transport(zeep.Transport):
        def load(self, url: str) -> bytes:
            return _OfflineTransport(operations.own_service("v3.2").wsdl).load(url)

    client = zeep.Client(_WSDL_NAME, transport=Transport())
    binding = next(iter(client.wsdl.bindings))
    service = client.create_service(str(binding), f"http://127.0.0.1:{port}/v3.2/prod/ECGridOS.asmx")
    key = {**KEY, "SessionID": "11111111-2222-4333-8444-555555555555", "ReportingMonth": datetime.datetime(2023, 8, 1)}  # noqa: DTZ001 - bare, as it goes over the wire
    for _ in range(50):
        service.InvoiceCalculateLineItem(**key)
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(CALLS // 4):
        assert str(service.InvoiceCalculateLineItem(**key).Amount) == "72.96"
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return cpu * 4000 / CALLS, wall * 4000 / CALLS


def main() -> None:
    """Prints both, and how they compare."""
    context = multiprocessing.get_context("spawn")
    mine, theirs = context.Pipe()
    server = context.Process(target=serve, args=(theirs,), daemon=True)
    server.start()
    port = mine.recv()
    zeep_cpu, zeep_wall = zeeps(port)
    our_cpu, our_wall = ours(port)
    server.kill()
    print(f"zeep alone       {zeep_cpu:6.3f} ms CPU  {zeep_wall:6.3f} ms wall a call")
    print(f"ask and decode   {our_cpu:6.3f} ms CPU  {our_wall:6.3f} ms wall a call (target: at most 1 ms CPU)")
    print(f"ratio            {zeep_cpu / our_cpu:6.1f}")


if __name__ == "__main__":
    main()
