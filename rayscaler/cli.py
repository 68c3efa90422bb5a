"""The command line: run a configuration, look at what came out, play in an environment."""

from __future__ import annotations

import json
import logging
import os
import shutil
import sys
from contextlib import closing, suppress
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.panel import Panel
from rich.text import Text
from typer.core import TyperGroup

from rayscaler import __version__
from rayscaler.config import Config, load_config
from rayscaler.display.catalogue import tables_markdown
from rayscaler.display.conversation import mask_text, task_text, trajectory_text
from rayscaler.display.domains import domains_report
from rayscaler.display.environment import describe, environments_table, tool_details
from rayscaler.display.files import files_table, write_files
from rayscaler.display.funnel import VIEWS, funnel_markdown, funnel_report
from rayscaler.display.pipeline import StageLines, plan_table, results_table
from rayscaler.display.play import HELP, Quit, play_line
from rayscaler.display.refinements import refinements_report
from rayscaler.display.reports import write_reports
from rayscaler.display.rows import find_row, overview, rows_table, select, whole_row
from rayscaler.display.scores import SCORE_VIEWS, regrade_report, regraded, scores_report
from rayscaler.display.status import status_text
from rayscaler.environment import EnvironmentSpec
from rayscaler.environments.folder import folder_of
from rayscaler.errors import ConfigError, RayscalerError
from rayscaler.runs import Run, open_run
from rayscaler.task import Task
from rayscaler.trajectory import Trajectory, Verdict

INTERRUPTED = 130
"""Exit code after Ctrl-C: 128 + SIGINT, as shells have it."""


WIDE = "160"
"""Columns where no stream is a terminal (a job's log): rich takes 80 there, and cuts cells to fit."""


STOPPED = "Stopped. Tables that are whole stay whole; the same command goes on from here."


class Commands(TyperGroup):
    """The top of the command tree: an error of ours is one panel and exit code 1, never a traceback."""

    def invoke(self, ctx: Any) -> Any:
        """Run the chosen command."""
        if not any(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)):
            os.environ.setdefault("COLUMNS", WIDE)
        try:
            return super().invoke(ctx)
        except RayscalerError as error:
            Console(stderr=True).print(Panel(Text(str(error)), title=type(error).__name__, border_style="red"))
            raise typer.Exit(1) from error
        except KeyboardInterrupt:
            Console(stderr=True).print(STOPPED if ctx.invoked_subcommand == "run" else "Stopped.")
            raise typer.Exit(INTERRUPTED) from None


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="API specifications in; certified environments, verified trajectories and a training set out.",
)
environments = typer.Typer(no_args_is_help=True, help="Look at the environments of a run, and play in them.")
docs = typer.Typer(no_args_is_help=True, help="Documentation that is generated from the code.")
app.add_typer(environments, name="env")
app.add_typer(docs, name="docs")

ConfigPath = Annotated[Path, typer.Argument(metavar="CONFIG", help="A configuration file.", show_default=False)]
RunPath = Annotated[str, typer.Argument(metavar="RUN", help="A run's folder or URI.", show_default=False)]
RunOption = Annotated[
    str | None, typer.Option("--run", metavar="DIR", help="The run's folder or URI; runs/<CONFIG's name> if not given.")
]
UntilOption = Annotated[str | None, typer.Option("--until", metavar="STAGE", help="The last stage.")]
DomainName = Annotated[
    str, typer.Argument(metavar="DOMAIN", help="An environment's id, or a part of its title that only one has.")
]


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"rayscaler {__version__}")
        raise typer.Exit


@app.callback()
def options(
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show the log, one line per stage.")] = False,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True)] = False,  # noqa: ARG001
) -> None:
    """Set up what all commands share."""
    level = logging.INFO if verbose else logging.WARNING
    logging.basicConfig(level=level, format="%(asctime)s %(name)s %(message)s", stream=sys.stderr)


@app.command()
def run(config: ConfigPath, until: UntilOption = None, run: RunOption = None) -> None:
    """Make every table of CONFIG that is not whole yet."""
    loaded, console = load_config(config), Console()
    folder = _folder(loaded, run)
    from rayscaler import pipeline  # two seconds: it imports what all stages need

    with StageLines(console) as lines:
        results = pipeline.run(loaded, folder, until=until, listener=lines)
    console.print(results_table(results))
    console.print(_further(folder, made={name for result in results for name in result.rows}))


@app.command()
def evaluate(config: ConfigPath, run: RunOption = None) -> None:
    """Play what CONFIG's `evaluate` asks for, score it, and show the scores. Makes only the tables that this needs."""
    loaded, console = load_config(config), Console()
    folder = _folder(loaded, run)
    from rayscaler import pipeline  # two seconds: it imports what all stages need

    with StageLines(console) as lines:
        pipeline.run(loaded, folder, only="score", listener=lines)
    console.print(scores_report(open_run(folder).table("scores").to_pylist()))


@app.command()
def scores(
    run: RunPath,
    by: Annotated[str, typer.Option(metavar="VIEW", help="One view, whole: subset, label or n_calls.")] = "",
    *,
    again: Annotated[
        Path | None, typer.Option(metavar="CONFIG", help="Grade the stored episodes again by CONFIG, and compare.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write them as tau2-bench and lm-eval do, too.")
    ] = None,
) -> None:
    """Show the scores of a run's evaluation; write them in other forms; grade its episodes again without a model."""
    if by and by not in SCORE_VIEWS:
        raise typer.BadParameter(f"expected one of {', '.join(SCORE_VIEWS)}, found {by!r}", param_hint="--by")
    opened, console = open_run(run), Console()
    if again is not None:
        console.print(regrade_report(regraded(opened, load_config(again))))
        return
    console.print(scores_report(opened.table("scores").to_pylist(), by=by))
    for path in write_reports(opened, output) if output else ():
        console.print(f"written: {path}")


@app.command()
def plan(config: ConfigPath, until: UntilOption = None, run: RunOption = None) -> None:
    """Say what a run would make, and what is whole."""
    loaded = load_config(config)
    from rayscaler import pipeline  # two seconds: it imports what all stages need

    Console().print(plan_table(pipeline.plan(loaded, _folder(loaded, run), until)))


@app.command()
def serve(
    config: ConfigPath,
    manifest: Annotated[bool, typer.Option("--manifest", help="Print a RayService's serveConfigV2 and end.")] = False,
) -> None:
    """Serve the models of CONFIG's `serve` with vLLM on Ray Serve, until Ctrl-C or SIGTERM. Runs on the same Ray use
    them."""
    loaded = load_config(config)
    if not loaded.serve:
        raise ConfigError(f"{config}: `serve` names no model")
    from rayscaler.display.serving import manifest_text, serve_until_told  # a second: it imports what workers need

    if manifest:
        typer.echo(manifest_text(loaded))
    else:
        serve_until_told(loaded, Console())


@app.command()
def show(
    run: RunPath,
    table: Annotated[str | None, typer.Argument(metavar="[TABLE]", help="A table, funnel, or coherence.")] = None,
    key: Annotated[str | None, typer.Argument(metavar="[KEY]", help="A row's key, or a part of it.")] = None,
    *,
    limit: Annotated[int, typer.Option(min=0, help="Rows shown at most.")] = 20,
    where: Annotated[list[str] | None, typer.Option(metavar="COLUMN=VALUE", help="Only such rows.")] = None,
    columns: Annotated[str, typer.Option(metavar="A,B", help="Only these columns.")] = "",
    mask: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a page of training examples with what the "
                                              "loss looks at in colour: all that match, --limit of them.")] = None,
) -> None:
    """Show a run: its tables, the rows of TABLE, or the row KEY of TABLE whole. `funnel` counts the verdicts,
    `coherence` reports on the domains, `refinements` on what a model was asked and what was taken of it.

    A trajectory is shown as a conversation with its row changes, a task with its gold calls, an example with what the
    loss looks at.
    """
    opened, console = open_run(run), Console()
    if mask is not None:
        _write_mask_page(opened, mask, select(opened.table("examples"), where or []), key or "", limit)
    elif table is None:
        console.print(overview(opened.tables()))
    elif table == "funnel" and key is None and not where and not columns:
        console.print(funnel_report(opened.table("funnel").to_pylist()))
    elif table == "coherence" and key is None and not where and not columns:
        console.print(domains_report(opened.table("coherence").to_pylist(), opened.table("domains").to_pylist()))
    elif table == "refinements" and key is None and not where and not columns:
        console.print(refinements_report(opened.table(table).to_pylist()))
    elif key is not None:
        console.print(_row(opened, table, key))
    else:
        wanted = [name.strip() for name in columns.split(",") if name.strip()]
        rows = select(opened.table(table), where or [])
        console.print(rows_table(table, rows, limit=limit, width=console.width, columns=wanted))


def _write_mask_page(run: Run, path: Path, rows: Any, key: str, limit: int) -> None:
    from tokenizers import Tokenizer

    from rayscaler.display.mask_page import mask_page
    from rayscaler.training.tokenizer import CONTROL, MARKUP  # imports transformers

    tokenizer = Tokenizer.from_str(run.table("tokenizers")["tokenizer_json"][0].as_py())
    chosen = [row for row in rows.to_pylist() if key in row["trajectory_id"]][: limit or None]
    page = mask_page(chosen, tokenizer, control=(*CONTROL, *MARKUP), title=f"{run.config['name']}: what the loss sees")
    path.write_text(page, encoding="utf-8")
    typer.echo(f"{len(chosen)} examples: {path}")


@app.command()
def status(run: RunPath) -> None:
    """Say how far a run is, stage by stage, and who works in it."""
    Console().print(status_text(open_run(run).status()))


def _row(run: Run, table: str, key: str) -> Any:
    row = find_row(table, run.table(table), key)
    if table == "tasks":
        return task_text(Task.model_validate_json(row["task"]))
    if table == "environments":
        return describe(EnvironmentSpec.model_validate_json(row["spec"]))
    if table == "trajectories":
        return trajectory_text(Trajectory.model_validate_json(row["trajectory"]), _verdict(run, row["trajectory_id"]))
    if table == "episodes":
        return trajectory_text(Trajectory.model_validate_json(row["trajectory"]), None)
    if table == "examples":
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_str(run.table("tokenizers")["tokenizer_json"][0].as_py())
        return mask_text(row["input_ids"], row["loss_mask"], tokenizer)
    return whole_row(table, row)


def _verdict(run: Run, trajectory_id: str) -> Verdict | None:
    if not any(record.table.startswith("verdicts@") for record in run.tables()):
        return None
    row = find_row("verdicts", run.table("verdicts"), trajectory_id)
    return Verdict(kept=row["kept"], stage=row["stage"] or None, reason=row["reason"], detail=row["detail"])


@app.command()
def funnel(
    run: RunPath,
    by: Annotated[str, typer.Option(metavar="VIEW", help="One view, whole: domain, length or planted.")] = "",
    markdown: Annotated[bool, typer.Option("--markdown", help="Every view whole, as Markdown tables.")] = False,
    plot: Annotated[Path | None, typer.Option(metavar="FILE", help="Draw it too: a .svg or .png file.")] = None,
) -> None:
    """Show what each filter let pass, and why it dropped the rest: in all, per domain, length and planted mistake."""
    if by and by not in VIEWS:
        raise typer.BadParameter(f"expected one of {', '.join(VIEWS)}, found {by!r}", param_hint="--by")
    rows = open_run(run).table("funnel").to_pylist()
    if markdown:
        typer.echo(funnel_markdown(rows, by=by))
    else:
        Console().print(funnel_report(rows, by=by))
    if plot is not None:
        from rayscaler.display.funnel_plot import plot_funnel  # a second: it imports matplotlib

        plot_funnel(rows, plot)
        Console(stderr=True).print(f"drawn: {plot}")


@app.command("export")
def export_examples(
    run: RunPath,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new or empty folder.", show_default=False)],
) -> None:
    """Write a run's examples as a Hugging Face dataset: Parquet, JSON lines, chat template and dataset card."""
    from rayscaler.display.export import export_run  # two seconds: it imports transformers

    written = export_run(open_run(run), folder)
    Console().print(f"{written.n_rows:,} examples of {len(written.environments):,} environments in {folder}")


@environments.command("list")
def list_environments(run: RunPath) -> None:
    """List the environments of a run."""
    Console().print(environments_table(open_run(run).environments()))


@environments.command("describe")
def describe_environment(
    run: RunPath,
    domain: DomainName,
    code: Annotated[bool, typer.Option("--code", help="Every tool with its arguments and its code.")] = False,
) -> None:
    """Describe an environment: its tables, tools and rules."""
    spec, console = open_run(run).environment(domain).spec, Console()
    console.print(describe(spec))
    for tool in spec.tools if code else ():
        console.print(tool_details(tool))


@environments.command("write")
def write_environment(
    run: RunPath,
    domain: DomainName,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder to write; made if it is not there.")],
) -> None:
    """Write an environment as a folder to read: schema.sql, tools.py, tools.json, policy.md, certificate.json."""
    row = open_run(run).environment_row(domain)
    spec = EnvironmentSpec.model_validate_json(row["spec"])
    files = folder_of(spec, json.loads(row["certificate"]))
    Console().print(files_table(write_files(files, folder)))


@environments.command("play")
def play_environment(
    run: RunPath,
    domain: DomainName,
    seed: Annotated[int, typer.Option(help="Seed of the starting state.")] = 0,
) -> None:
    """Call an environment's tools by hand and see which rows change. Reads lines from a pipe too."""
    environment, console = open_run(run).environment(domain), Console()
    spec = environment.spec
    console.print(Text.assemble((spec.title, "bold"), f", {len(spec.tools)} tools, state {seed}"))
    console.print(HELP, style="dim", markup=False, highlight=False)
    is_typed = sys.stdin.isatty()
    if is_typed:
        _complete([tool.name for tool in spec.tools])
    with closing(environment.start(seed)) as session, suppress(EOFError, Quit):
        while True:
            line = input("> ") if is_typed else input()
            if not is_typed:
                console.print(Text(f"> {line}", style="bold"))
            console.print(play_line(line, session, spec))


def _complete(names: list[str]) -> None:
    """Let the tab key complete tool names, where Python has readline."""
    try:
        import readline
    except ImportError:
        return
    found = [*names, ":tools", ":tables", ":rows", ":changes", ":reset", ":quit"]
    readline.set_completer(lambda text, state: [*(n for n in found if n.startswith(text)), None][state])
    readline.set_completer_delims(" ")
    readline.parse_and_bind("tab: complete")


@docs.command("tables")
def docs_tables() -> None:
    """Print the catalogue of all tables as Markdown (docs/tables.md)."""
    typer.echo(tables_markdown())


def _folder(config: Config, run: str | None) -> str:
    return run or f"runs/{config.name}"


def _further(run: str, made: set[str]) -> Text:
    """The commands to look further, as far as the run has come."""
    commands = [f"show {run}", f"show {run} rejects"]
    if "environments" in made:
        commands += [f"env list {run}", f"env describe {run} DOMAIN", f"env play {run} DOMAIN"]
    if "trajectories" in made:
        commands.append(f"show {run} trajectories [ID]")
    if "verdicts" in made:
        commands.append(f"funnel {run}")
    if "examples" in made:
        commands += [f"show {run} examples [ID]", f"export {run} DIR"]
    program = _program()
    return Text("Look further:\n  " + "\n  ".join(f"{program} {command}" for command in commands))


def _program() -> str:
    """How this program is called from here: by its name if the shell finds it, else by its path."""
    if shutil.which("rayscaler"):
        return "rayscaler"
    path = Path(sys.argv[0])
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


if __name__ == "__main__":
    app()
