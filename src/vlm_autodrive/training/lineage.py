"""What an artefact was made from, by the provenance of each."""

from pathlib import Path

from vlm_autodrive.artifacts import PROVENANCE, absolute_from_artifact, read_provenance


def ancestor(folder: Path, kind: str) -> Path | None:
    """The nearest artefact of a kind that ``folder`` was made from, if it and all between are still there."""
    if not (folder / PROVENANCE).is_file():
        return None
    provenance = read_provenance(folder)
    if provenance.kind == kind:
        return folder
    for teacher_inputs in provenance.inputs.values():
        found = ancestor(Path(absolute_from_artifact(teacher_inputs.path, folder)), kind)
        if found is not None:
            return found
    return None
