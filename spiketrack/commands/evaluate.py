"""``spiketrack evaluate``: score a network on benchmark sequences, beside OpenCV's trackers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spiketrack.commands.inputs import DEFAULT_PRICES, Key
from spiketrack.commands.options.backend import Loaded, load_backend
from spiketrack.commands.targets import then_show, will_fill, will_write
from spiketrack.errors import ConfigError, MissingDependency, SpikeTrackError
from spiketrack.ownership import EVALUATION
from spiketrack.simulators.backends import INTEGER, either
from spiketrack.targets import is_stream
from spiketrack.terminal.console import note as say
from spiketrack.terminal.progress import sequence_bar

if TYPE_CHECKING:
    from spiketrack.documents.tracking import EvaluationDocument
    from spiketrack.evaluation.driver import Done
    from spiketrack.evaluation.engines import Engine
    from spiketrack.evaluation.plans import Plan
    from spiketrack.evaluation.tariff import Tariff
    from spiketrack.evaluation.work import Job


PAGE = "plots.html"


def evaluate(
    checkpoint: Annotated[
        str, typer.Argument(help="Checkpoint, export folder, or bundled weights: nano, nano-t3.")
    ],
    sequences: Annotated[
        list[Path],
        typer.Argument(
            metavar="DATASET",
            help="A sequence, or a folder of them (OTB, GOT-10k, LaSOT, UAV123, VOT …); may be "
            "repeated.",
        ),
    ],
    key: Key = None,
    backend: Annotated[str, typer.Option(help=f"{either()}.")] = INTEGER,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda, for float.")] = "cpu",
    frames: Annotated[
        int | None, typer.Option(min=1, help="At most so many frames after each first.")
    ] = None,
    starts: Annotated[
        str,
        typer.Option(
            help="ope: one pass; sre: OTB's twelve shifted and scaled boxes; tre: its twenty "
            "segments; pixel: the given box and one pixel to four sides; several: sre,tre. All "
            "but ope print the mean over starts and its confidence."
        ),
    ] = "ope",
    only: Annotated[
        str | None,
        typer.Option(
            metavar="LIST",
            help="Sequences of a list, a file with a name a line, or kept-out: those of the "
            "training data that are kept out of training.",
        ),
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option(
            metavar="EVALUATION",
            help="Folder or document of another evaluation: prints the difference in pairs of "
            "runs, with its 95 % interval.",
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1, help="Processes of this machine; default: as many as bring something, measured."
        ),
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="A Dask cluster that is there: tcp://HOST:8786, or its scheduler file.",
        ),
    ] = None,
    baseline: Annotated[
        str, typer.Option(help="OpenCV's trackers on the same frames: csrt,kcf,mil.")
    ] = "",
    prices: Annotated[
        str, typer.Option(help="Price table (a name or file) of the operations counted.")
    ] = DEFAULT_PRICES,
    placement: Annotated[
        Path | None,
        typer.Option(
            "--map",
            help="Placement (spiketrack map --json): adds all that its chips spend, a range.",
        ),
    ] = None,
    json: Annotated[Path | None, typer.Option(help="Write all figures and curves.")] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for plots (HTML, PNG), boxes, times and figures, each written as it is "
            "won; one that did not reach every sequence is gone on with. Of several data sets: "
            "a folder for each in it."
        ),
    ] = None,
    submit: Annotated[
        str | None,
        typer.Option(help="got10k or trackingnet: write the archive for its server into --out."),
    ] = None,
    force: Annotated[bool, typer.Option(help="Replace an existing folder.")] = False,
) -> None:
    """Score a network: success, precision, normalised precision, AO, SR, energy a frame.

    Each data set is scored by its own toolkit's rule. Exits with 1 where a sequence failed; the
    others are scored all the same.
    """
    from spiketrack.evaluation.choice import choose
    from spiketrack.evaluation.places import Places
    from spiketrack.evaluation.plans import check_submission
    from spiketrack.evaluation.tariff import Tariff
    from spiketrack.tracking.baselines import parse_baselines
    from spiketrack.tracking.lists import read_list
    from spiketrack.tracking.starts import parse_starts

    if workers is not None and scheduler is not None:
        raise ConfigError("--workers is for this machine; a scheduler has workers of its own")
    if json is not None and len(sequences) > 1:
        raise ConfigError("--json holds one data set; give --out, a folder for several")
    inputs: tuple[Path | str, ...] = (checkpoint, *sequences, prices)
    inputs += () if placement is None else (placement,)
    inputs += () if against is None else (against,)
    will_write(inputs, json=json)
    check_submission(submit, out, frames, starts)
    others = tuple(other.name for other in parse_baselines(baseline))
    folders = _folders(out, sequences)
    names = () if only is None else read_list(only)
    rival = None if against is None else read_rival(against)
    plans = [_plan(p, o, frames, starts, submit, force, inputs, names) for p, o in folders]
    for plan in plans:
        plan.rival = rival
    starts = ",".join(parse_starts(starts))
    loaded = load_backend(checkpoint, backend, device, operations=True, key=key)
    if loaded.name in others:
        raise ConfigError(f"--baseline {loaded.name}: the network has this name; rename its file")
    tariff = Tariff.read(prices, placement, loaded.network)
    about = settings(loaded, frames, starts, prices) | tariff.digests
    whole = [json] if json is not None and json != Path("-") and not is_stream(json) else []
    with Places(force, inputs) as places:
        for plan in plans:
            if plan.out is not None and plan.out.is_dir():
                places.hold(plan.out)
            plan.begin((loaded.name, *others), about, whole)
            if plan.out is not None:
                plan.ledger.into(plan.out, places.anew if plan.earlier is None else None)
        job = _job(loaded, others)
        left = [sequence for plan in plans for sequence in plan.left()]
        with choose(job, left, workers, scheduler, device) as engine:
            try:
                for plan in plans:
                    run(plan, engine, tariff)
            except (KeyboardInterrupt, SystemExit):
                say_kept(plans)
                raise
        failed = [finish(plan, json if not whole else None, submit) for plan in plans]
    if any(failed):
        raise typer.Exit(1)


def _folders(out: Path | None, datasets: list[Path]) -> list[tuple[Path, Path | None]]:
    """Each data set, and where its files go."""
    if out is None or len(datasets) == 1:
        return [(dataset, out) for dataset in datasets]
    from spiketrack.video.footage import absolute

    names = [absolute(path).name for path in datasets]
    if twin := next((name for name in names if names.count(name) > 1), None):
        raise ConfigError(f"several data sets are named {twin}; evaluate them apart")
    out.mkdir(parents=True, exist_ok=True)
    return [(dataset, out / name) for dataset, name in zip(datasets, names, strict=True)]


def _plan(
    dataset: Path,
    out: Path | None,
    frames: int | None,
    starts: str,
    submit: str | None,
    force: bool,
    inputs: tuple[Path | str, ...],
    only: tuple[str, ...],
) -> Plan:
    from spiketrack.evaluation.plans import Plan
    from spiketrack.evaluation.submissions import names_for
    from spiketrack.tracking.ledger import unfinished

    archive = None if submit is None else f"{submit}.zip"
    earlier = unfinished(out, PAGE, archive) if out is not None and not force else None
    if earlier is None:
        will_fill(out, EVALUATION, force, inputs)
    plan = Plan.of(dataset, out, frames, starts, earlier, only)
    if submit is not None and plan.footage:
        names_for(submit, plan.footage)
    return plan


def read_rival(given: Path) -> EvaluationDocument:
    """Another evaluation, by its document or the folder that holds it."""
    from spiketrack.documents.tracking import EvaluationDocument
    from spiketrack.tracking.ledger import NAME

    return EvaluationDocument.read(given / NAME if given.is_dir() else given)


def settings(loaded: Loaded, frames: int | None, starts: str, prices: str) -> dict[str, object]:
    """What the figures depend on, for the report."""
    return {
        "backend": loaded.backend,
        "network": loaded.sizes.as_dict(),
        "tracker": loaded.settings.as_dict(),
        "frames_limit": frames,
        "starts": starts,
        "prices": prices,
        "network_digest": loaded.network_digest,
        "checkpoint_sha256": loaded.checkpoint_sha256,
    }


def _job(loaded: Loaded, others: tuple[str, ...]) -> Job:
    from spiketrack.evaluation.work import Job

    return Job(
        loaded.name, loaded.backend, loaded.network, loaded.checkpoint, loaded.settings,
        loaded.options, others,
    )  # fmt: skip


def run(plan: Plan, engine: Engine, tariff: Tariff) -> None:
    """Evaluate what is missing under one progress bar; a sequence that fails is said at once."""
    from spiketrack.evaluation.driver import Driver
    from spiketrack.evaluation.engines import Here

    tasks = plan.tasks()
    frames = sum(len(task.sequence.images) for task in tasks)
    with sequence_bar(plan.name, len(tasks), frames) as (bar, look):
        if isinstance(engine, Here):

            def step() -> None:
                bar.step()
                look()

            engine.step = step
        for done in Driver(engine, look).run(tasks):
            reason = keep(plan, done, tariff)
            bar.sequence(len(done.task.sequence.images), bool(reason))
            if reason:
                say(f"failed: {reason}")


def say_kept(plans: list[Plan]) -> None:
    """What an interrupted evaluation leaves, and how to go on."""
    for plan in plans:
        if plan.out is not None and (kept := plan.kept()):
            count = len(plan.ledger.planned)
            say(f"{plan.out}: {kept} of {count} sequences are kept; the same command goes on")


def keep(plan: Plan, done: Done, tariff: Tariff) -> str:
    """Put what a task gave into the ledger; why it failed, or nothing."""
    from spiketrack.tracking.evaluation import judge

    ledger, method, sequence = plan.ledger, done.task.method, done.task.sequence
    reason = done.reason
    if done.tracked is not None:
        try:
            result = judge(sequence, done.tracked, tariff.price, tariff.whole)
        except SpikeTrackError as error:
            reason = str(error)
        else:
            plan.remarks.say(result.notes)
            ledger.add(method, result)
            return ""
    ledger.fail(method, sequence.name, reason)
    return reason


def finish(plan: Plan, json: Path | None, submit: str | None) -> bool:
    """Files first, then the table, then what failed; whether anything did."""
    from spiketrack.commands.views.evaluation import show

    ledger, out, obstacle = plan.ledger, plan.out, ""
    plan.remarks.end()
    ledger.write()
    document = ledger.document()
    with then_show(lambda: show(document)):
        if out is not None:
            write_plots(plan, out, document)
            obstacle = pack(plan, out, submit) if submit is not None else ""
        if json is not None:
            document.write(json)
    if out is not None:
        say(f"plots, boxes, times and figures: {out}")
    reasons = [*ledger.failed.values(), *filter(None, [obstacle])]
    for reason in reasons:
        say(f"failed: {reason}")
    return bool(reasons)


def pack(plan: Plan, out: Path, server: str) -> str:
    """Write the archive for a server; why it cannot be, or nothing."""
    from spiketrack.evaluation.submissions import write_submission

    refused = plan.surveyed.refused
    try:
        archive = write_submission(server, out, plan.ledger.method, plan.footage, refused)
        say(f"{server}: {archive}")
    except SpikeTrackError as error:
        return str(error)
    return ""


def write_plots(plan: Plan, folder: Path, document: EvaluationDocument) -> None:
    """``plots.html``, and ``plots.png`` if possible."""
    if document.mean is None or document.mean.success_auc is None:
        return
    from spiketrack.evaluation.looks import looks
    from spiketrack.tracking.page import write_html  # plotly loads slowly
    from spiketrack.tracking.plots import write_png

    shown = looks(plan.footage, document.sequences, folder / "boxes" / document.method)
    write_html(document.to_json(), folder / PAGE, shown)
    try:
        write_png(document.to_json(), folder / "plots.png")
    except MissingDependency as reason:
        say(str(reason))
