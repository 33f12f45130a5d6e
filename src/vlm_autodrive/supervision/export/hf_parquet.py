"""The form ``hf-parquet``: a folder that ``datasets.load_dataset`` reads, with a card that says what is in it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from vlm_autodrive.artifacts import write_text
from vlm_autodrive.supervision.export.rows import ExportRow, splits_of

CARD_FILE = "README.md"
_FOLDER = "data"

_MESSAGE = pa.struct([("role", pa.string()), ("content", pa.string())])
SCHEMA = pa.schema(
    [
        ("messages", pa.list_(_MESSAGE)),
        ("videos", pa.list_(pa.string())),
        ("sample_id", pa.string()),
        ("clip_id", pa.string()),
        ("type", pa.string()),
        ("topic", pa.string()),
        ("split", pa.string()),
        ("source_start_s", pa.float64()),
        ("source_end_s", pa.float64()),
    ]
)

_TEXT = """
Questions and answers about dashcam clips, one row each. `messages` holds the system prompt, the question behind
`<video>`, and the answer. `videos` names the clip's file, relative to this folder: put the folder in front of it.
A file holds its clip and nothing else; `source_start_s` and `source_end_s` say where the clip stood in its source.
`sample_id` and `clip_id` are for tracing only. There is no test split: test clips are never supervised.
"""


def write_hf_parquet(folder: Path, rows: Sequence[ExportRow]) -> None:
    """Write the rows of each split as Parquet, and the card.

    Args:
        folder: Where to write.
        rows: What is exported.
    """
    splits = splits_of(rows)
    (folder / _FOLDER).mkdir(exist_ok=True)
    for split, here in splits.items():
        table = pa.Table.from_pylist([row.model_dump(mode="json") for row in here], schema=SCHEMA)
        pq.write_table(table, folder / _FOLDER / f"{split}.parquet")
    card: dict[str, Any] = {
        "configs": [
            {
                "config_name": "default",
                "data_files": [{"split": split, "path": f"{_FOLDER}/{split}.parquet"} for split in splits],
            }
        ],
        "dataset_info": {
            "config_name": "default",
            "features": [{"name": field.name, **_described(field.type)} for field in SCHEMA],
        },
    }
    heading = yaml.safe_dump(card, sort_keys=False)
    write_text(folder / CARD_FILE, f"---\n{heading}---\n\n# Dashcam supervision\n{_TEXT}")


def _described(type_: pa.DataType) -> dict[str, Any]:
    """A column's type in the words of a data set's card."""
    if not pa.types.is_list(type_):
        return {"dtype": str(type_).replace("double", "float64")}
    inner = type_.value_type
    if pa.types.is_struct(inner):
        return {"list": [{"name": field.name, **_described(field.type)} for field in inner]}
    return {"list": str(inner)}
