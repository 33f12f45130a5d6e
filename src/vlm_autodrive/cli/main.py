"""The command ``autodrive``: its commands, and the handling of user errors and interruptions."""

import inspect
import os
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

import vlm_autodrive
from vlm_autodrive.cli import ablate as ablate_verb
from vlm_autodrive.cli import audit as audit_verb
from vlm_autodrive.cli import calibrate as calibrate_verb
from vlm_autodrive.cli import clips as clips_verb
from vlm_autodrive.cli import compare as compare_verb
from vlm_autodrive.cli import demo as demo_verb
from vlm_autodrive.cli import detect as detect_verb
from vlm_autodrive.cli import engines as engines_verb
from vlm_autodrive.cli import evaluate as evaluate_verb
from vlm_autodrive.cli import export as export_verb
from vlm_autodrive.cli import import_ as import_verb
from vlm_autodrive.cli import inspect as inspect_verb
from vlm_autodrive.cli import judge as judge_verb
from vlm_autodrive.cli import models as models_verb
from vlm_autodrive.cli import plan as plan_verb
from vlm_autodrive.cli import recipes as recipes_verb
from vlm_autodrive.cli import report as report_verb
from vlm_autodrive.cli import review as review_verb
from vlm_autodrive.cli import review_export as review_export_verb
from vlm_autodrive.cli import review_next as review_next_verb
from vlm_autodrive.cli import run as run_verb
from vlm_autodrive.cli import simulate as simulate_verb
from vlm_autodrive.cli import supervise as supervise_verb
from vlm_autodrive.cli import train as train_verb
from vlm_autodrive.cli import validate as validate_verb
from vlm_autodrive.cli.stores import let_commands_use_stores
from vlm_autodrive.cli.wrapping import wrap_for
from vlm_autodrive.errors import UserError, disk_problem

INTERRUPTED = 130

# Threads that wait by spinning take the cores from the thread that prepares the next batch. The runtime
# reads this when torch is loaded, which is later.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


class _Group(TyperGroup):
    """Prints a user's mistake, or an interruption, as one sentence on stderr."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """A command may have two words, beside one of its first word: ``review export`` beside ``review``."""
        two = " ".join(args[:2])
        return super().resolve_command(ctx, [two, *args[2:]] if two in self.commands else args)

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except UserError as error:
            _say_error(str(error))
            raise typer.Exit(1) from None
        except KeyboardInterrupt:
            print("\nautodrive: interrupted; the same command resumes from here.", file=sys.stderr)
            raise typer.Exit(INTERRUPTED) from None
        except Exception as error:
            option = str(getattr(error, "option_name", ""))
            if "_" in option and isinstance(error, typer.TyperException):  # no option of ours has one
                error.message += f". Settings are written without dashes: {option.lstrip('-')}=..."
            told = disk_problem(error)
            if told is None:
                raise
            _say_error(told)
            raise typer.Exit(1) from None


def _say_error(text: str) -> None:
    print(wrap_for(sys.stderr, f"autodrive: {text}"), file=sys.stderr)


app = typer.Typer(
    cls=_Group,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Start with: autodrive demo",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"autodrive {vlm_autodrive.__version__}")
        raise typer.Exit


@app.callback()
def _autodrive(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Teach a vision-language model to find collisions in dashcam video, and to say why."""
    del version


_RUN, _DATA, _MODEL, _USE = "All stages", "Data", "Model", "Evaluation and use"

app.command("demo", rich_help_panel=_RUN)(demo_verb.demo)
app.command("run", rich_help_panel=_RUN)(run_verb.run)
app.add_typer(recipes_verb.app, name="recipes", rich_help_panel=_RUN)
app.command("simulate", rich_help_panel=_DATA)(simulate_verb.simulate)
app.command("import", rich_help_panel=_DATA)(import_verb.import_)
app.command("validate", rich_help_panel=_DATA)(validate_verb.validate)
app.command("clips", rich_help_panel=_DATA)(clips_verb.clips)
app.command("audit", rich_help_panel=_DATA)(audit_verb.audit)
app.command("inspect", rich_help_panel=_DATA)(inspect_verb.inspect)
app.command("supervise", rich_help_panel=_DATA)(supervise_verb.supervise)
app.add_typer(models_verb.app, name="models", rich_help_panel=_MODEL)
app.command("plan", rich_help_panel=_MODEL)(plan_verb.plan)
app.command("train", rich_help_panel=_MODEL)(train_verb.train)
app.add_typer(engines_verb.app, name="engines", rich_help_panel=_USE)
app.command("evaluate", rich_help_panel=_USE)(evaluate_verb.evaluate)
app.command("judge", rich_help_panel=_USE)(judge_verb.judge)
app.command("compare", rich_help_panel=_USE)(compare_verb.compare)
app.command("report", rich_help_panel=_USE)(report_verb.report)
app.command("ablate", rich_help_panel=_USE)(ablate_verb.ablate)
app.command("calibrate", rich_help_panel=_USE)(calibrate_verb.calibrate)
app.command("detect", rich_help_panel=_USE)(detect_verb.detect)
app.command("review next", rich_help_panel=_USE)(review_next_verb.review_next)
app.command("review export", rich_help_panel=_USE)(review_export_verb.review_export)
app.command("review", rich_help_panel=_USE)(review_verb.review)
app.add_typer(export_verb.app, name="export", rich_help_panel=_USE)


def _join_lines(group: typer.Typer) -> None:
    """Let the terminal wrap the paragraphs of help: typer keeps the line breaks of docstrings."""
    for command in group.registered_commands:
        paragraphs = inspect.cleandoc(command.callback.__doc__ or "").split("\n\n")
        command.help = "\n\n".join(text.replace("\n", " ") for text in paragraphs)
    for inner in group.registered_groups:
        if inner.typer_instance is not None:
            _join_lines(inner.typer_instance)


_join_lines(app)
let_commands_use_stores(app)


def main() -> None:
    """Run the command line."""
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # a file's name may hold any byte
    app()
