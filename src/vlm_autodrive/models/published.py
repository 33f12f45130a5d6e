"""Published configurations, written down so that a run can be planned before anything is downloaded.

The numbers are those of each hub repository's ``config.json`` as of 2025-12, as far as shapes and positions hang on
them; built from them, each model has exactly as many weights as the hub's page of its repository says. NVIDIA's
model cards state that Cosmos-Reason1-7B is Qwen2.5-VL-7B-Instruct post-trained, and Cosmos-Reason2-2B and -8B are
Qwen3-VL-2B-Instruct and -8B-Instruct post-trained, with the same architecture.
"""

from dataclasses import dataclass
from pathlib import Path

_FOLDER = Path(__file__).parent / "published"


@dataclass(frozen=True)
class Published:
    """A model on the hub.

    Attributes:
        name: Its hub name.
        config: The file of its configuration.
        weights: How many weights the hub says that it has.
        licence: The ``license`` field of its model card, or its ``license_name`` where that says ``other``.
    """

    name: str
    config: str
    weights: int
    licence: str

    @property
    def path(self) -> Path:
        """Where the configuration lies."""
        return _FOLDER / self.config


PUBLISHED = (
    Published("nvidia/Cosmos-Reason1-7B", "qwen2.5-vl-7b.json", 8_292_166_656, "nvidia-open-model-license"),
    Published("nvidia/Cosmos-Reason2-2B", "qwen3-vl-2b.json", 2_127_532_032, "nvidia-open-model-license"),
    Published("nvidia/Cosmos-Reason2-8B", "qwen3-vl-8b.json", 8_767_123_696, "nvidia-open-model-license"),
    Published("Qwen/Qwen2.5-VL-3B-Instruct", "qwen2.5-vl-3b.json", 3_754_622_976, "qwen-research"),
    Published("Qwen/Qwen2.5-VL-7B-Instruct", "qwen2.5-vl-7b.json", 8_292_166_656, "apache-2.0"),
    Published("Qwen/Qwen3-VL-2B-Instruct", "qwen3-vl-2b.json", 2_127_532_032, "apache-2.0"),
    Published("Qwen/Qwen3-VL-4B-Instruct", "qwen3-vl-4b.json", 4_437_815_808, "apache-2.0"),
    Published("Qwen/Qwen3-VL-8B-Instruct", "qwen3-vl-8b.json", 8_767_123_696, "apache-2.0"),
)


def find_published(name: str) -> Published | None:
    """The published model of a hub name, if it is written down here."""
    return next((published for published in PUBLISHED if published.name == name), None)
