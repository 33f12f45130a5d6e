"""Opening a model by name: a checkpoint, a hub name or an endpoint."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlm_autodrive.artifacts import PROVENANCE, artifact_key, input_key
from vlm_autodrive.console import TERMINAL
from vlm_autodrive.engines.protocol import Engine, InferenceRequest, InferenceResponse
from vlm_autodrive.errors import UserError
from vlm_autodrive.executor import Executor, Step
from vlm_autodrive.progress import SILENT, Reporter
from vlm_autodrive.settings import Settings, parse_settings
from vlm_autodrive.video import Frames, SamplingSettings

if TYPE_CHECKING:
    from vlm_autodrive.engines.endpoint.settings import ServedModelSettings
    from vlm_autodrive.models import ModelCard

DEMO_CHECKPOINT = Path("runs/demo/checkpoint")


@contextmanager
def open_model(
    model: str,
    endpoint: "ServedModelSettings",
    inputs: Mapping[str, Path],
    reporter: Reporter = TERMINAL,
) -> Iterator[tuple[Engine, str]]:
    """Open a model that is named on the command line or in a recipe, for as long as the block lasts.

    Args:
        model: A checkpoint's folder, ``tiny-base``, or a hub name; or a name at ``endpoint``, if it has an address.
        endpoint: Where the model is served; its ``base_url`` is empty for a model of this process. It is shown frames
            as it was trained, where its folder is at hand, changed by what the sampling here sets.
        inputs: What the model is run on, by name: a served model has one budget for the same inputs, however often
            a run is begun again.
        reporter: Told which frames are sent to an endpoint.

    Yields:
        The engine, and the key that tells this model from another. A local model is loaded at its first request.

    Raises:
        UserError: If there is no such model, or the endpoint may not be used.
    """
    if not endpoint.base_url:
        from vlm_autodrive.models import model_key

        yield LazyLocalEngine(model), model_key(model)
        return
    from vlm_autodrive.engines.served import open_served_engine, served_key
    from vlm_autodrive.models import read_card

    trained = read_card(endpoint.folder or model).sampling
    values = {**trained.model_dump(), **endpoint.sampling.model_dump(exclude_unset=True)}
    sampling = parse_settings(SamplingSettings, values, "endpoint.sampling, merged into that of the training")
    endpoint = endpoint.model_copy(update={"sampling": sampling})
    key = served_key(endpoint, model)
    keys = {name: input_key(path) for name, path in inputs.items()}
    budget_id = artifact_key("requests", keys, Settings(), {"model": key})
    reporter.say(
        f"Requests to {model} go to {endpoint.base_url}, each with up to {sampling.max_frames} frames of "
        f"{sampling.width} x {sampling.height}."
    )
    with open_served_engine(endpoint, model, budget_id, reporter) as engine:
        yield engine, key


@dataclass(frozen=True)
class ClusterEngine:
    """A model that the workers of a cluster open, each for itself and once.

    Attributes:
        executor: The cluster.
        open: Opens the model in a worker.
        served: Whether an endpoint serves it. All its workers then run beside this process, since they share the file
            of budget and replies here.
    """

    executor: Executor
    open: Callable[[], AbstractContextManager[Engine]]
    served: bool

    def step(self, open_work: Callable[[], AbstractContextManager[Callable[[Any], Any]]]) -> Step:
        """The step whose workers hold the model, each with a GPU if it is not served; ``open_work`` opens it."""
        return Step(open_work, gpus=0.0 if self.served else 1.0, near=self.served)


def cluster_engine(
    executor: Executor, model: str, endpoint: "ServedModelSettings", inputs: Mapping[str, Path]
) -> ClusterEngine:
    """What opens a model in the workers of a cluster as :func:`open_model` does here, with the same arguments."""
    return ClusterEngine(executor, partial(_open_engine, model, endpoint, inputs), bool(endpoint.base_url))


@contextmanager
def _open_engine(model: str, endpoint: "ServedModelSettings", inputs: Mapping[str, Path]) -> Iterator[Engine]:
    with open_model(model, endpoint, inputs, SILENT) as (engine, _):
        yield engine


def default_model(reporter: Reporter = SILENT) -> str:
    """The model taken if none is named: the demo's.

    Raises:
        UserError: If that is not trained. No shipped model is taken in its place: the base has never seen an event, and
            what the fine-tuned one finds in real video says nothing.
    """
    from vlm_autodrive.models import TINY_BASE, TINY_SIMULATED

    if not (DEMO_CHECKPOINT / PROVENANCE).is_file():
        raise UserError(
            f"name a model with --model: there is no {DEMO_CHECKPOINT} here, which `autodrive run demo` trains; of "
            f"the models that are shipped {TINY_SIMULATED} knows simulated video only, and {TINY_BASE} has never seen "
            "an event and finds none."
        )
    reporter.say(f"Model: {DEMO_CHECKPOINT}, trained by the demo on simulated drives; --model takes another.")
    return str(DEMO_CHECKPOINT)


class LazyLocalEngine:
    """The local engine of a model, loaded when it is first needed: work that is done already needs none."""

    def __init__(self, model: str) -> None:
        self._model = model

    @cached_property
    def _engine(self) -> Engine:
        from vlm_autodrive.engines.local import load_engine

        return load_engine(self._model)

    @cached_property
    def _card(self) -> "ModelCard":
        from vlm_autodrive.models import read_card

        return read_card(self._model)

    @property
    def name(self) -> str:
        """The model's name, which needs no weights."""
        return self._card.name

    @property
    def sampling(self) -> SamplingSettings:
        """How the model wants its frames; needs no weights either."""
        return self._card.sampling

    def generate(
        self,
        clips: Sequence[Frames],
        requests: Sequence[InferenceRequest],
        own: Sequence[Sequence[InferenceRequest]] = (),
    ) -> list[list[InferenceResponse]]:
        """Respond to every request about every clip."""
        return self._engine.generate(clips, requests, own)
