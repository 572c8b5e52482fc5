"""What a pull reaches, each figure against its baseline in the same run. Print all: `python tests/bench/pull.py`.

- rate: a service that answers in 100 ms, 32 calls in flight; the ideal is 320 calls a second, the baseline the plain
  zeep loop that an analyst would write;
- cpu: no latency; CPU of this process a call, everything included (send, decode, journal, fsync, landing, Parquet), and
  what zeep alone takes for its call;
- plan: calls made against lines billed on the sandbox's shipped world, and whether all lines were found;
- memory: the largest resident size of a process that pulls and lands 200,000 calls.

The service of the first, second and fourth is a child process that answers every call with the wire sample, as the line
of the key requested: the client would request a key again whose response is for another.
"""

import argparse
import asyncio
import multiprocessing
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from multiprocessing.connection import Connection
from pathlib import Path

HERE = Path(__file__).resolve().parent
BODY = (HERE.parent / "wire" / "v3.2-InvoiceCalculateLineItem.soap11.response.xml").read_bytes()
#: The sample as the line of a mailbox, report and measure.
LINE = BODY.replace(b"%", b"%%")
for sample, place in (
    (b"<SystemObject>Network</SystemObject><SystemID>4443<", b"<SystemObject>Mailbox</SystemObject><SystemID>%b<"),
    (b"<AccountReport>TrafficKCInterchangeTiered<", b"<AccountReport>%b<"),
    (b"<Measure>TieredKCIntCount<", b"<Measure>%b<"),
):
    LINE = LINE.replace(sample, place)
ARGUMENT = re.compile(rb"<(?:[\w-]+:)?(MailboxID|AccountReport|MeasureField)>([^<]*)<")
MONTH = date(2026, 10, 1)
PARTS = ("rate", "cpu", "plan", "memory")


class Canned(asyncio.Protocol):
    """One connection of the canned service: every request gets the sample of its key, after `latency_s`."""

    latency_s = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport, self.held = transport, b""

    def data_received(self, data: bytes) -> None:
        self.held += data
        head, found, rest = self.held.partition(b"\r\n\r\n")
        if not found:
            return
        length = next(
            int(line.partition(b":")[2]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")
        )
        if len(rest) >= length:
            self.held = rest[length:]
            asyncio.get_running_loop().call_later(self.latency_s, self.transport.write, answer_of(rest[:length]))


def answer_of(request: bytes) -> bytes:
    """The response to a request for a line."""
    asked = dict(ARGUMENT.findall(request))
    body = LINE % (asked[b"MailboxID"], asked[b"AccountReport"], asked[b"MeasureField"])
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/xml; charset=utf-8\r\nContent-Length: %d\r\n\r\n" % len(body)
    return head + body


def serve(pipe: Connection, latency_s: float) -> None:
    """The canned service, until its process is ended."""

    async def forever() -> None:
        Canned.latency_s = latency_s
        server = await asyncio.get_running_loop().create_server(Canned, "127.0.0.1", 0)
        pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(forever())


@contextmanager
def service(latency_s: float = 0.0) -> Iterator[str]:
    """The address of a canned service in a child process."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=serve, args=(theirs, latency_s), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{ours.recv()}/v3.2/prod/ECGridOS.asmx"
    finally:
        process.kill()
        process.join()


def pull(url: str, calls: int, concurrency: int, folder: str) -> tuple[float, float, float]:
    """Pull `calls` keys and land them; gives seconds of pulling, CPU seconds of pulling, CPU seconds of landing."""
    from ecgrid_flows.extract.plan import Asked
    from ecgrid_flows.orchestration import session
    from ecgrid_flows.progress import Reporter
    from ecgrid_flows.settings import Secret, Settings
    from ecgrid_transforms.keys import ALL_PAIRS, PAIRS
    from ecgrid_transforms.model import Account

    settings = Settings(
        data_dir=folder, v2_url=url, v3_url=url, v4_url=url, api_key=Secret("0" * 32), concurrency=concurrency
    )
    accounts = -(-calls // len(PAIRS))
    with session.opened(settings=settings, reporter=Reporter(mute=True)) as run:
        run.puller.begin(MONTH)
        began, cpu = time.perf_counter(), time.process_time()
        tally = run.puller.pull_batch(
            MONTH, [Asked(Account(4443, number), 432, ALL_PAIRS, 0) for number in range(accounts)]
        )
        seconds, pulling = time.perf_counter() - began, time.process_time() - cpu
        assert tally.lines == tally.calls == accounts * len(PAIRS), tally
        cpu = time.process_time()
        run.land(MONTH)
        assert run.done(MONTH, tally).lines == tally.lines
        return seconds, pulling, time.process_time() - cpu


def zeep_loop(url: str, calls: int) -> tuple[float, float]:
    """Seconds and CPU seconds of the loop that an analyst would write, one call after the other."""
    import zeep

    wsdl = HERE.parents[1] / "flows/ecgrid_client/wsdl/v3_2.wsdl"
    client = zeep.Client(str(wsdl))
    binding = next(str(name) for name in client.wsdl.bindings if str(name).endswith("Soap"))
    ask = client.create_service(binding, url)
    arguments = {
        "SessionID": "0" * 32,
        "NetworkID": 4443,
        "MailboxID": 0,
        "ReportingMonth": "2026-10-01T00:00:00",
        "AccountReport": "TrafficKCInterchangeTiered",
        "MeasureField": "TieredKCIntCount",
    }
    ask.InvoiceCalculateLineItem(**arguments)
    began, cpu = time.perf_counter(), time.process_time()
    for _ in range(calls):
        ask.InvoiceCalculateLineItem(**arguments)
    return time.perf_counter() - began, time.process_time() - cpu


def rate(calls: int) -> None:
    with service(latency_s=0.1) as url, tempfile.TemporaryDirectory() as folder:
        zeep_calls = 40
        seconds, _ = zeep_loop(url, zeep_calls)
        baseline = zeep_calls / seconds
        made = -(-calls // 168) * 168
        seconds, _, _ = pull(url, calls, 32, folder)
    ours = made / seconds
    print(f"rate    {ours:7.1f} calls/s at 100 ms and 32 in flight: {ours / 320:.2f} of the ideal 320 (aim 0.90)")
    print(f"        {baseline:7.1f} calls/s for the plain zeep loop: {ours / baseline:.1f} times (aim 28)")


def cpu(calls: int) -> None:
    with service() as url, tempfile.TemporaryDirectory() as folder:
        _, zeep_cpu = zeep_loop(url, 500)
        made = -(-calls // 168) * 168
        seconds, pulling, landing = pull(url, calls, 8, folder)
    each = 1000 * (pulling + landing) / made
    print(f"cpu     {each:7.3f} ms a call, everything included (aim 1.2)")
    print(f"        {1000 * pulling / made:7.3f} ms of it to ask and journal, {1000 * landing / made:.3f} ms to land")
    print(f"        {made / seconds:7.0f} calls/s without latency, 8 in flight")
    print(f"        {1000 * zeep_cpu / 500:7.3f} ms for zeep's call alone, nothing kept")


def plan() -> None:
    from dataclasses import replace

    from ecgrid_flows.orchestration import session, tasks
    from ecgrid_flows.progress import Reporter
    from ecgrid_flows.settings import Secret, Settings
    from ecgrid_sandbox import World, spawn

    world = World.shipped(MONTH)
    accounts = [(network.network_id, 0) for network in world.networks]
    accounts += [(box.network_id, box.mailbox_id) for box in world.mailboxes]
    with spawn(world) as sandbox, tempfile.TemporaryDirectory() as folder:
        settings = replace(
            Settings(data_dir=folder, v2_url=sandbox.v2_url, v3_url=sandbox.v3_url, v4_url=sandbox.v4_url),
            api_key=Secret(sandbox.api_key),
        )
        lines = true = 0
        with session.opened(settings=settings, reporter=Reporter(mute=True)) as run:
            for month in world.months:
                tasks.pull(run, month, tasks.plan(run, month))
                run.land(month)
                lines += run.done(month, None).lines
                true += sum(
                    world.books.line(account, month, pair) is not None
                    for account in accounts
                    for pair in world.books.bill(account, month)
                )
        made = sandbox.calls
    asked, everything = made["v3.2", "InvoiceCalculateLineItem"], sum(made.values())
    print(f"plan    {asked / lines:7.3f} calls a line, {asked} calls for {lines} of {true} lines (aim 1.10, all lines)")
    print(f"        {everything / lines:7.3f} with every list, invoice and report counted too")
    print(f"        {168 * len(accounts) * len(world.months) / lines:7.3f} when all pairs are asked")


def memory(calls: int) -> None:
    with service() as url, tempfile.TemporaryDirectory() as folder:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        pull(url, calls, 8, folder)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"memory  {peak:7d} MiB at most, {calls:,} calls pulled and landed (aim 400); {before} MiB before the first")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=[[], *PARTS], help="which figures (all)")
    parser.add_argument("--rate-calls", type=int, default=3_200)
    parser.add_argument("--cpu-calls", type=int, default=10_000)
    parser.add_argument("--memory-calls", type=int, default=200_000)
    given = parser.parse_args()
    if len(given.parts) != 1:  # a process each: neither memory nor threads of one part weigh on the next
        for part in given.parts or PARTS:
            options = [f"--{name}-calls={getattr(given, f'{name}_calls')}" for name in ("rate", "cpu", "memory")]
            subprocess.run([sys.executable, __file__, part, *options], check=True)
        return
    (part,) = given.parts
    if part == "rate":
        rate(given.rate_calls)
    elif part == "cpu":
        cpu(given.cpu_calls)
    elif part == "plan":
        plan()
    else:
        memory(given.memory_calls)


if __name__ == "__main__":
    main()
