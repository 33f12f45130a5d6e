"""Folders to review, written as the stages write them, but without loading a model's libraries."""

from vlm_autodrive.artifacts import PREDICTIONS_FILE, write_clips, writing_artifact
from vlm_autodrive.records import DEFAULT_TAXONOMY, write_jsonl
from vlm_autodrive.settings import Settings


def write_clip_set(folder, clips):
    """A clip set, as ``autodrive clips`` writes it."""
    with writing_artifact(folder, "clips", {}, Settings()) as partial:
        write_clips(partial, folder, DEFAULT_TAXONOMY, clips)
    return folder


def write_predictions(folder, clips, predictions):
    """One model's predictions, as ``autodrive evaluate`` writes them."""
    with writing_artifact(folder, "predictions", {}, Settings()) as partial:
        write_clips(partial, folder, DEFAULT_TAXONOMY, clips)
        write_jsonl(partial / PREDICTIONS_FILE, predictions)
    return folder
