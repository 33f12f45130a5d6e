"""The columns of the project's manifest as a model, and their JSON schema.

``python -m vlm_autodrive.datasets.manifest_row > docs/manifest.schema.json`` writes the schema anew.
"""

import json

from pydantic import BaseModel, ConfigDict, Field

from vlm_autodrive.records import IncidentMetadata


class _VideoAndEvent(BaseModel):
    video: str = Field(min_length=1, description="Path of the video file, below the manifest's folder.")
    class_: str | None = Field(
        default=None,
        alias="class",
        description="The class by its name or one of its spellings. With a time and no class, an event of unknown "
        "kind; with neither, nothing is said of the video.",
    )
    event_time_s: float | None = Field(
        default=None,
        ge=0,
        description="Seconds after the first frame of contact, or of the smallest gap; empty in a row without event.",
    )
    alert_time_s: float | None = Field(
        default=None,
        ge=0,
        description="Seconds after the first frame at which an attentive driver would have been warned, not after "
        "the event.",
    )
    ego_involved: bool | None = Field(
        default=None, description="Whether the recording vehicle is involved in the event. In CSV yes or no."
    )
    drive: str | None = Field(
        default=None,
        description="The drive, vehicle or source video: what has the same never lies in two splits. Without it each "
        "video stands alone.",
    )
    split: str | None = Field(default=None, description="train, validation or test, if the data prescribes it.")
    source_id: str | None = Field(
        default=None,
        pattern="^[^:]+:.+$",
        description="The footage as dataset:id, such as nexar:00776, the same in every data set that uses it.",
    )


class ManifestRow(IncidentMetadata, _VideoAndEvent):
    """One row of a manifest: an event, or a video without one. Further columns are free metadata of the video."""

    model_config = ConfigDict(
        extra="allow", frozen=True, title="A row of a manifest", json_schema_extra={"$id": "manifest.schema.json"}
    )
    __pydantic_extra__: dict[str, str | float | bool | None]


COLUMNS = tuple(field.alias or name for name, field in ManifestRow.model_fields.items())
"""The columns that mean something here; all others are metadata."""


def schema_text() -> str:
    """The JSON schema of a row, as ``docs/manifest.schema.json`` has it."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema"} | ManifestRow.model_json_schema()
    return json.dumps(schema, indent=2) + "\n"


if __name__ == "__main__":
    print(schema_text(), end="")
