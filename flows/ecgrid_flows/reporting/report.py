"""The monthly report: notebooks/reconcile_month.ipynb, executed by nbclient and set as one page that opens offline.

`reports/YYYY-MM/reconcile_month.html` holds everything inline: style, script, Vega and the charts' data. Its content
security policy allows exactly the scripts that stand in it (by hash) and no request at all.

    ReportFailed  4  the notebook could not be executed; the message names the cell and its error
"""

import base64
import hashlib
import os
import re
import secrets
import tempfile
import warnings
from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import platformdirs
from markdown_it import MarkdownIt

from ecgrid_flows import pages
from ecgrid_flows.errors import BillingError, NoSuchData
from ecgrid_flows.logs import staged
from ecgrid_flows.pages import Html
from ecgrid_flows.rating import month_totals
from ecgrid_flows.reporting.render_svg import UNDRAWN, drawing
from ecgrid_flows.settings import Settings
from ecgrid_flows.storage.atomic_folder import make_folder, put_file, sync
from ecgrid_flows.storage.base import disk_errors
from ecgrid_flows.storage.data_owner import is_invented
from ecgrid_flows.storage.opening import open_store
from ecgrid_flows.warehouse import database
from ecgrid_transforms.period import month_text

__all__ = ["ReportFailed", "execute", "notebook_path", "notebooks", "render", "report_month"]

PACKAGE = Path(__file__).resolve().parents[1]
_NOTEBOOKS = (PACKAGE.parents[1] / "notebooks", PACKAGE / "_assets" / "notebooks")

#: What a kernel must not inherit: a notebook reads a file and needs no credentials.
SECRETS = ("ECGRID_PASSWORD", "ECGRID_API_KEY", "ECGRID_LOGIN_NAME", "ECGRID_SESSION_ID")
INVENTED = "Invented data: every network, name, price and amount on this page comes from the built-in sandbox."
PROVISIONAL = "Provisional: nothing of this month was received after its end. No finding is an error yet."
CELL_TIMEOUT_S = 600
#: DuckDB's errors where a relation or a column is absent.
_LACKS = ("BinderException", "CatalogException")
#: The longest folder whose sockets' names are sure to fit (104 bytes on the narrowest system, unix(7) and BSD).
SOCKET_FOLDER_BYTES = 80

_VEGA_MIME = re.compile(r"application/vnd\.vegalite\.v\d+\+json")


class ReportFailed(BillingError):
    """The report could not be made."""


@staged("report")
def report_month(settings: Settings, month: date) -> Path:
    """Execute the notebook for `month` and write its page; the file appears whole or not at all.

    Raises `NoSuchData` where there is no warehouse or no line of the month, `ReportFailed` when the notebook
    cannot be executed.
    """
    with closing(database.connect(settings.warehouse_path)) as connection:
        database.require_month(connection, month)
        is_provisional = month_totals.is_provisional(connection, month)
    notices = [
        *([PROVISIONAL] if is_provisional else []),
        *([INVENTED] if is_invented(settings) else []),
    ]
    parameters = {
        "month": month_text(month),
        "data_dir": str(settings.local_dir.resolve()),
        "currency": settings.currency or "",
        "dispute_days": str(settings.dispute_days or ""),
        "notice": " ".join(notices),
    }
    try:
        executed = execute(notebook_path("reconcile_month"), parameters, are_charts_drawn=False)
    except ReportFailed as error:
        if getattr(error.__cause__, "ename", None) in _LACKS:
            raise database.of_another_version(str(settings.warehouse_path), _sentence(error.__cause__)) from error
        raise
    page = render(executed, title=f"Reconciliation {month_text(month)}{' (provisional)' if is_provisional else ''}")
    target = settings.reports_dir(month) / "reconcile_month.html"
    with disk_errors(str(target)):
        make_folder(target.parent)
        write_whole(target, page)
    if settings.is_remote:
        put_file(open_store(settings), f"reports/{month_text(month)}/{target.name}", target)
    return target


def notebook_path(stem: str) -> Path:
    """Where a notebook lies: in the checkout, or in the installed package."""
    for folder in _NOTEBOOKS:
        if (folder / f"{stem}.ipynb").is_file():
            return folder / f"{stem}.ipynb"
    raise NoSuchData(f"there is no notebook named {stem}")


def notebooks() -> list[str]:
    """The names of the notebooks, in order."""
    return sorted({path.stem for folder in _NOTEBOOKS for path in folder.glob("*.ipynb")})


def write_whole(target: Path, text: str) -> None:
    """Write `target` so that a reader sees the old file or the new one."""
    partial = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        with partial.open("x", encoding="utf-8") as file:  # its mode follows the umask
            file.write(text)
        sync(partial)
        partial.replace(target)
        sync(target.parent)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def execute(notebook: Path, parameters: Mapping[str, str], *, are_charts_drawn: bool = True) -> Any:
    """The notebook with its outputs, run in a fresh kernel of this very interpreter.

    No kernelspec needs to be installed, and none that is installed elsewhere is used. `are_charts_drawn=False` leaves
    charts as their description, for a page that draws them itself. Raises `ReportFailed`.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of jupyter's own libraries, about themselves
        import nbclient
        import nbformat
        from nbclient.exceptions import CellExecutionError

        with tempfile.TemporaryDirectory(prefix="ecgrid-report-") as scratch:
            said = Path(scratch) / "kernel.txt"
            try:
                document = nbformat.read(notebook, as_version=4)
                _give(document, parameters)
                return nbclient.NotebookClient(
                    document,
                    kernel_name="python3",
                    kernel_manager_class=_kernel_class(Path(scratch), said, are_charts_drawn),
                    timeout=CELL_TIMEOUT_S,
                    resources={"metadata": {"path": scratch}},
                ).execute()
            except CellExecutionError as error:
                raise ReportFailed(f"{notebook.name} stopped: {_reason(document, error)}") from error
            except Exception as error:  # nbformat, nbclient, jupyter_client and zmq each have trees of their own
                tail = (
                    said.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
                    if said.exists()
                    else []
                )
                raise ReportFailed(
                    f"{notebook.name} could not be executed ({type(error).__name__}: {error}) {' '.join(tail)}".rstrip()
                ) from error


def _give(document: Any, parameters: Mapping[str, str]) -> None:
    """Set variables after the notebook's cell tagged `parameters`, which has their defaults."""
    from nbformat.v4 import new_code_cell

    place = next(
        (place for place, cell in enumerate(document.cells, 1) if "parameters" in cell.metadata.get("tags", [])), 0
    )
    text = "\n".join(f"{name} = {value!r}" for name, value in parameters.items())
    document.cells.insert(place, new_code_cell(text))


def _reason(document: Any, error: Any) -> str:
    """The cell and the error's own sentence, without the trace."""
    outputs = [(cell, output) for cell in document.cells for output in cell.get("outputs", [])]
    failed = next(cell.execution_count for cell, output in outputs if output.output_type == "error")
    return f"cell {failed}: {error.ename}: {_sentence(error)}"


def _sentence(error: BaseException | None) -> str:
    """The first line of the error that stopped a notebook."""
    return next(iter(str(getattr(error, "evalue", error)).splitlines()), "")


def _kernel_class(scratch: Path, said: Path, are_charts_drawn: bool) -> type:
    """A kernel manager bound to this interpreter, without secrets, whose files and output stay in `scratch`."""
    from jupyter_client.kernelspec import KernelSpecManager
    from jupyter_client.manager import AsyncKernelManager

    class OwnKernel(AsyncKernelManager):
        def _transport_default(self) -> str:
            # Ports are chosen by one process and bound by another: whoever comes between them ends the kernel.
            return "ipc" if len(os.fsencode(scratch)) <= SOCKET_FOLDER_BYTES else "tcp"

        def _kernel_spec_manager_default(self) -> KernelSpecManager:
            return KernelSpecManager(kernel_dirs=[])  # leaves the native kernel alone

        def _connection_file_default(self) -> str:
            return str(scratch / "kernel.json")

        async def start_kernel(self, *_: Any, **options: Any) -> None:  # type: ignore[override] # nbclient awaits it
            environment = {name: value for name, value in os.environ.items() if name not in SECRETS}
            environment |= {
                "IPYTHONDIR": str(scratch / "ipython"),
                "JUPYTER_PLATFORM_DIRS": "1",
                "PYDEVD_DISABLE_FILE_VALIDATION": "1",
                "PYTHONWARNINGS": "ignore",
            }
            if not are_charts_drawn:
                environment[UNDRAWN] = "1"
            with said.open("w", encoding="utf-8") as words:
                await super().start_kernel(**{**options, "env": environment, "stdout": words, "stderr": words})

    return OwnKernel


@dataclass(frozen=True, slots=True)
class Block:
    """A part of a section: `html`, `text` or `chart`."""

    kind: str
    piece: Html | None = None
    text: str = ""
    id: str = ""
    title: str = ""
    unit: str = ""
    description: str = ""
    drawing: Html | None = None
    spec: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Section:
    """A part of the page under one heading; the first part has none."""

    id: str
    title: str
    blocks: list[Block]


def render(executed: Any, title: str) -> str:
    """An executed notebook as one self-contained page: markdown and outputs, never the code."""
    scripts = [vega_script(), pages.source("report/page.js")]
    return pages.page(
        "report/page.html.j2",
        title=title,
        sections=sections_of(executed),
        scripts=[Html(script) for script in scripts],
        script_hashes=[_hash(script) for script in scripts],
    )


def sections_of(executed: Any) -> list[Section]:
    """The blocks of a notebook, cut into sections at its `## ` headings. Code is left out, and so is its `# ` title:
    the verdict takes that place."""
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    sections = [Section("top", "", [])]
    for cell in executed.cells:
        if "remove" in cell.metadata.get("tags", []):
            continue
        if cell.cell_type == "markdown":
            heading, text = _heading(cell.source)
            if heading:
                sections.append(Section(re.sub(r"[^a-z0-9]+", "-", heading.lower()).strip("-"), heading, []))
            if text:
                sections[-1].blocks.append(Block("html", Html(markdown.render(text))))
        elif cell.cell_type == "code":
            blocks = [block for output in cell.outputs if (block := _block(output, f"{cell.id}-chart"))]
            sections[-1].blocks.extend(blocks)
    return sections


def _heading(source: str) -> tuple[str | None, str]:
    lines = source.strip().splitlines()
    if lines and lines[0].startswith("## "):
        return lines[0][3:].strip(), "\n".join(lines[1:]).strip()
    return None, "\n".join(line for line in lines if not line.startswith("# ")).strip()


def _block(output: Any, chart_id: str) -> Block | None:
    if output.output_type not in ("display_data", "execute_result"):
        return None  # output of libraries is not for this page
    data = output.data
    chart = next((mime for mime in data if _VEGA_MIME.fullmatch(mime)), None)
    if chart:
        spec = {name: value for name, value in data[chart].items() if name != "title"}  # shown above, in HTML
        title = data[chart].get("title", {})
        return Block(
            "chart",
            id=chart_id,
            title=str(title.get("text", "")),
            unit=str(title.get("subtitle", "")),
            description=str(spec.get("description", "")),
            drawing=Html(drawing(spec)),
            spec=spec,
        )
    if "text/html" in data:
        return Block("html", Html(str(data["text/html"])))
    return Block("text", text=str(data.get("text/plain", "")))


@cache
def vega_script() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script, from the installed library.

    Bundling takes seconds and depends on the library's version alone, so the script is kept in the user's cache folder,
    behind its hash; a damaged one is made anew, and where nothing can be written it is made each time.
    """
    kept = Path(platformdirs.user_cache_dir("ecgrid-billing")) / f"vega-{version('vl-convert-python')}.js"
    with suppress(OSError, UnicodeError):
        digest, _, script = kept.read_text(encoding="utf-8").partition("\n")
        if digest == f"// {_hash(script)}":
            return script
    import vl_convert

    bundled = str(vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;"))
    script = bundled.replace("</script", "<\\/script").replace("<!--", "<\\!--")
    with suppress(OSError):
        kept.parent.mkdir(parents=True, exist_ok=True)
        write_whole(kept, f"// {_hash(script)}\n{script}")
    return script


def _hash(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
