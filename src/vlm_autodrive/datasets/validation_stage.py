"""The validation stage: decodes every video of a catalog, and writes the catalog with the results."""

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from queue import SimpleQueue

from pydantic import Field

from vlm_autodrive.addresses import state_of
from vlm_autodrive.artifacts import (
    ACCOUNT_FILE,
    PROVENANCE,
    VIDEOS_FILE,
    Accounting,
    input_key,
    read_account,
    read_events,
    read_videos,
    relative_to_artifact,
    retry_facts,
    write_text,
    writing_artifact,
)
from vlm_autodrive.datasets.video_validation import ValidationSummary, VideoValidation, assess, summarise
from vlm_autodrive.executor import Executor, Job, Step
from vlm_autodrive.progress import SILENT, Reporter
from vlm_autodrive.records import Video, append_jsonl, copy_records, read_jsonl, read_partial_jsonl, write_jsonl
from vlm_autodrive.settings import Settings
from vlm_autodrive.video import DecodeLimits, SubprocessVideoChecker, VideoCheck

VALIDATION_FILE = "validation.jsonl"
SUMMARY_FILE = "validation.json"
_DONE_FILE = "checks.jsonl"


class ValidateSettings(Settings):
    """How videos are checked, and what cannot be used.

    Attributes:
        strict: Refuse a video that is cut off or damaged, rather than use the part of it that decodes.
        max_black_fraction: A video that is black for this fraction of its length is unusable; 1.01 lets all pass.
        max_frozen_fraction: A video in which nothing changes for this fraction of its length, in one piece, is
            unusable; 1.01 lets all pass.
        memory_mb: Megabytes of memory that decoding one video may take.
        stall_timeout_s: Seconds that the decoder may take without getting on.
        whole: Decode all of every video. Of those longer than ten minutes else only the first and last minute and ten
            seconds out of every five minutes are decoded; all packets are read in any case.
    """

    strict: bool = False
    max_black_fraction: float = Field(0.98, gt=0)
    max_frozen_fraction: float = Field(0.98, gt=0)
    memory_mb: int = Field(2000, ge=64)
    stall_timeout_s: float = Field(60.0, gt=0)
    whole: bool = False


def validate(
    catalog: Path,
    out: Path,
    settings: ValidateSettings,
    reporter: Reporter = SILENT,
    *,
    workers: int | None = None,
    executor: Executor | None = None,
    retry_errors: bool = False,
    overwrite: bool = False,
    check_with: Callable[[DecodeLimits], SubprocessVideoChecker] = SubprocessVideoChecker,
) -> ValidationSummary:
    """Check every video of a catalog by decoding all of it, and write the catalog with what was found.

    The new catalog is like the old, but lengths and sizes are the decoded ones, and a video that cannot be
    used has its ``problem``, so that ``clips`` leaves it out and says why. What was found is in
    ``validation.jsonl``, one line a video, and summed up in ``validation.json``.

    Args:
        catalog: The catalog.
        out: Folder of the new catalog.
        settings: Limits, and what cannot be used.
        reporter: Gets the progress.
        workers: Videos that are decoded side by side, each in its own process; None for one on every core.
        executor: The cluster that decodes them; None for this machine.
        retry_errors: Check those videos again that are quarantined, which only a cluster does.
        overwrite: Replace another result in ``out``.
        check_with: What makes a checker from the limits.

    Returns:
        The summary.

    Raises:
        UserError: If ``catalog`` is none, or ``out`` holds something else.
    """
    input_key(catalog, "catalog")
    videos = read_videos(catalog)
    inputs = {"catalog": catalog}
    facts = {"files": _fingerprint(videos)}  # other video files are another result
    facts, is_retry = retry_facts(out, "catalog", inputs, settings, facts, retry_errors=retry_errors)
    kept = _raw_validations(out, videos) if is_retry else []
    overwrite = overwrite or is_retry
    with writing_artifact(out, "catalog", inputs, settings, facts=facts, overwrite=overwrite) as folder:
        if folder is not None:
            limits = DecodeLimits(
                memory_mb=settings.memory_mb, stall_timeout_s=settings.stall_timeout_s, whole=settings.whole
            )
            account = Accounting(folder, retry_errors=retry_errors or executor is None)
            found = {each.video_id: each for each in (*kept, *read_partial_jsonl(folder / _DONE_FILE, VideoValidation))}
            todo = [video for video in videos if video.video_id not in found | account.quarantined]
            if executor is None:
                results = _checked(todo, limits, workers or os.cpu_count() or 1, check_with)
            else:
                step = Step(partial(_open_checker, limits, check_with))
                jobs = (Job(video.video_id, video) for video in todo)
                results = (result for _, result in account.results(executor.run([step], jobs)))
            with reporter.task("checking videos", len(videos), len(videos) - len(todo)) as task:
                for each in results:
                    append_jsonl(folder / _DONE_FILE, [each])
                    found[each.video_id] = each
                    task.advance()
            if executor is not None:
                account.close(len(videos), len(found), reporter)
            for video in videos:
                if video.video_id not in found:
                    problem = account.words(video.video_id)
                    found[video.video_id] = VideoValidation(video_id=video.video_id, path=video.path, problem=problem)
            _write(folder, out, catalog, videos, found, settings)
            (folder / _DONE_FILE).unlink(missing_ok=True)
            account.forget()
    return ValidationSummary.model_validate_json((out / SUMMARY_FILE).read_text(encoding="utf-8"))


def read_validations(catalog: Path) -> list[VideoValidation]:
    """What was found of each video of a validated catalog."""
    return read_jsonl(catalog / VALIDATION_FILE, VideoValidation)


def _raw_validations(catalog: Path, videos: Sequence[Video]) -> list[VideoValidation]:
    """What was found of each video that is not quarantined, as it was before a decision was made of it."""
    account, by_id = read_account(catalog), {video.video_id: video for video in videos}
    assert account is not None
    raw = []
    for each in read_validations(catalog):
        video = by_id[each.video_id]
        if each.video_id not in account.quarantined:
            brought = f"{video.problem}; " if video.problem and video.duration_s is not None else ""
            problem = "" if each.check else each.problem.removeprefix(brought)
            raw.append(VideoValidation(video_id=video.video_id, path=video.path, check=each.check, problem=problem))
    return raw


def _checked(
    videos: Sequence[Video],
    limits: DecodeLimits,
    workers: int,
    check_with: Callable[[DecodeLimits], SubprocessVideoChecker],
) -> Iterator[VideoValidation]:
    """Check videos side by side, in any order. A thread waits for each process, and does nothing else."""
    free: SimpleQueue[SubprocessVideoChecker] = SimpleQueue()

    def check(video: Video) -> VideoValidation:
        checker = free.get()
        try:
            return _check(checker, video)
        finally:
            free.put(checker)

    with ExitStack() as stack:
        for _ in range(workers):
            free.put(stack.enter_context(check_with(limits)))
        pool = stack.enter_context(ThreadPoolExecutor(workers))
        futures = [pool.submit(check, video) for video in videos]
        try:
            for future in as_completed(futures):
                yield future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


@contextmanager
def _open_checker(
    limits: DecodeLimits, check_with: Callable[[DecodeLimits], SubprocessVideoChecker]
) -> Iterator[Callable[[Video], VideoValidation]]:
    """What a worker of a cluster does: one video after the other, each decoded in a process of its own."""
    with check_with(limits) as checker:
        yield partial(_check, checker)


def _check(checker: SubprocessVideoChecker, video: Video) -> VideoValidation:
    found = checker.check(Path(video.path), video.video_stream)
    if isinstance(found, VideoCheck):
        return VideoValidation(video_id=video.video_id, path=video.path, check=found)
    return VideoValidation(video_id=video.video_id, path=video.path, problem=found)


def _write(
    folder: Path,
    out: Path,
    catalog: Path,
    videos: Sequence[Video],
    found: dict[str, VideoValidation],
    settings: ValidateSettings,
) -> None:
    last_event_s: dict[str, float] = {}
    for event in read_events(catalog):
        if event.time_s is not None:
            last_event_s[event.video_id] = max(event.time_s, last_event_s.get(event.video_id, 0.0))
    assessed = [
        assess(
            video,
            found[video.video_id],
            last_event_s.get(video.video_id),
            strict=settings.strict,
            max_black_fraction=settings.max_black_fraction,
            max_frozen_fraction=settings.max_frozen_fraction,
        )
        for video in videos
    ]
    for file in catalog.iterdir():
        if file.is_file() and file.name not in (PROVENANCE, ACCOUNT_FILE, VIDEOS_FILE, VALIDATION_FILE, SUMMARY_FILE):
            shutil.copyfile(file, folder / file.name)
        elif file.is_dir() and (name := f"{file.stem}.jsonl") not in (VIDEOS_FILE, VALIDATION_FILE):
            copy_records(file.with_name(name), folder / name)

    def relative(path: str) -> dict[str, str]:
        return {"path": relative_to_artifact(path, out)}

    write_jsonl(folder / VIDEOS_FILE, (video.model_copy(update=relative(video.path)) for video, _ in assessed))
    write_jsonl(folder / VALIDATION_FILE, (each.model_copy(update=relative(each.path)) for _, each in assessed))
    write_text(folder / SUMMARY_FILE, summarise([each for _, each in assessed]).model_dump_json(indent=1) + "\n")


def _fingerprint(videos: Sequence[Video]) -> str:
    digest = hashlib.sha256()
    for video in videos:
        try:
            state = state_of(video.path)
            digest.update(f"{video.video_id}|{state.size}|{state.stamp}\n".encode())
        except OSError:
            digest.update(f"{video.video_id}|missing\n".encode())
    return digest.hexdigest()[:16]
