"""Whether the readers of annotation tools agree with the tools' own writers and readers.

    python -m venv /tmp/tools && /tmp/tools/bin/pip install label-studio-sdk fiftyone
    python -m benchmarks.annotation_tools /tmp/tools/bin/python

FiftyOne exports temporal detections of a video of ours in each of its ways (frames or seconds, class list or none), and
imports a file of ours. Label Studio's SDK validates our regions against a project's configuration, and converts its
export to JSON-MIN. Our readers must find the same segments in all of it. Both read what ``autodrive detect --format``
writes. VIA has no library; its form in the tests is
that of its own source. Both SDKs are large and so stay outside the suite's environment.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

FRAMES_PER_SECOND = 10.0
FRAMES = 60
SEGMENTS = (("collision", 21, 30), ("near miss", 41, 51))
LABELS_DETECTED = ("Collision", "Near-Collision")
LABELS_OF_OURS = {
    "classes": ["near miss", "collision"],
    "labels": {"a": [{"label": 1, "support": [21, 30]}, {"label": 0, "support": [41, 51]}]},
}
CONFIG = """<View><Video name="video" value="$video" frameRate="10"/>
<TimelineLabels name="tl" toName="video"><Label value="collision"/><Label value="near miss"/></TimelineLabels>
<Choices name="kind" toName="video"><Choice value="Normal"/></Choices></View>"""


def write_by_the_tools(folder: Path) -> None:
    """Run in the tools' environment: write what they export, and check what they make of files of ours."""
    import fiftyone.core.labels as fol
    import fiftyone.core.metadata as fom
    from fiftyone.utils.data.exporters import FiftyOneTemporalDetectionDatasetExporter
    from fiftyone.utils.data.importers import FiftyOneTemporalDetectionDatasetImporter
    from label_studio_sdk.converter import Converter
    from label_studio_sdk.label_interface import LabelInterface

    metadata = fom.VideoMetadata(
        frame_rate=FRAMES_PER_SECOND, total_frame_count=FRAMES, duration=FRAMES / FRAMES_PER_SECOND
    )
    detections = fol.TemporalDetections(
        detections=[fol.TemporalDetection(label=label, support=[first, last]) for label, first, last in SEGMENTS]
    )
    for seconds in (False, True):
        for classes in (None, ["Normal", "near miss", "collision"]):
            name = f"fiftyone-{'seconds' if seconds else 'frames'}-{'classes' if classes else 'texts'}"
            exporter = FiftyOneTemporalDetectionDatasetExporter(
                export_dir=str(folder / name), export_media=True, use_timestamps=seconds, classes=classes
            )
            with exporter:
                exporter.export_sample(str(folder / "a.mp4"), detections, None, metadata=metadata)
    sample = {"filepath": "a.mp4", "metadata": metadata.to_dict(), "events": detections.to_dict()}
    (folder / "samples.json").write_text(json.dumps({"samples": [sample]}, default=str))

    importer = FiftyOneTemporalDetectionDatasetImporter(
        data_path={"a": str(folder / "a.mp4")}, labels_path=str(folder / "ours" / "labels.json")
    )
    with importer:
        [(_, _, found, _)] = list(importer)
    assert [(one.label, list(one.support)) for one in found.detections] == [
        (label, [first, last]) for label, first, last in SEGMENTS
    ], found

    listed = folder / "detected" / "fiftyone"
    importer = FiftyOneTemporalDetectionDatasetImporter(
        data_path=str(listed / "data.json"), labels_path=str(listed / "labels.json")
    )
    with importer:
        [(video, _, found, _)] = list(importer)
    assert Path(video) == folder / "a.mp4", video
    assert [(one.label, list(one.support), one.confidence) for one in found.detections] == [
        (label, [first, last], 0.9) for label, (_, first, last) in zip(LABELS_DETECTED, SEGMENTS, strict=True)
    ], found
    tasks = json.loads((folder / "detected" / "label-studio.json").read_text())
    interface = LabelInterface((folder / "detected" / "label-studio.xml").read_text())
    for task in tasks:
        assert interface.validate_task({"data": task["data"]}), task
        [prediction] = task["predictions"]
        assert interface.validate_prediction(prediction), interface.validate_prediction(prediction, return_errors=True)
        assert len(prediction["result"]) == len(SEGMENTS)

    interface = LabelInterface(CONFIG)
    regions = json.loads((folder / "studio.json").read_text())[0]["annotations"][0]["result"]
    assert len(regions) == len(SEGMENTS)
    assert all(interface.validate_region(region) for region in regions), regions
    assert not interface.validate_region(regions[0] | {"value": {"timelinelabels": ["collision"], "ranges": []}})
    (folder / "min").mkdir()
    Converter(CONFIG, project_dir=str(folder)).convert_to_json_min(
        str(folder / "studio.json"), str(folder / "min"), is_dir=False
    )


def write_ours(folder: Path) -> None:
    """A video, and files in the documented forms."""
    import av
    import numpy as np

    with av.open(str(folder / "a.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=int(FRAMES_PER_SECOND))
        stream.width = stream.height = 64
        pictures = (np.full((64, 64, 3), 4 * number, np.uint8) for number in range(FRAMES))
        for packet in (packet for picture in pictures for packet in stream.encode(av.VideoFrame.from_ndarray(picture))):
            container.mux(packet)
        container.mux(stream.encode(None))
    (folder / "ours").mkdir()
    (folder / "ours" / "labels.json").write_text(json.dumps(LABELS_OF_OURS))
    regions = [
        {
            "id": str(number), "type": "timelinelabels", "from_name": "tl", "to_name": "video",
            "value": {"ranges": [{"start": first, "end": last}], "timelinelabels": [label]},
        }
        for number, (label, first, last) in enumerate(SEGMENTS)
    ]  # fmt: skip
    task = {"id": 1, "data": {"video": "/data/upload/1/0a1b2c3d-a.mp4"}, "annotations": [{"id": 1, "result": regions}]}
    (folder / "studio.json").write_text(json.dumps([task]))
    write_detections(folder / "detected", folder / "a.mp4")


def write_detections(out: Path, video: Path) -> None:
    """A short list with the segments as detected events, and its files for both tools."""
    from vlm_autodrive.artifacts import writing_artifact
    from vlm_autodrive.detection import DetectSettings, ShortListSettings, write_short_list
    from vlm_autodrive.detection.results import KIND, write_events_file
    from vlm_autodrive.records import DEFAULT_TAXONOMY, DetectedEvent, Outcome, TripFile, VideoDetections

    events = [
        DetectedEvent(
            event_class=name,
            time_s=(first - 0.5) / FRAMES_PER_SECOND,
            start_s=0.0,
            end_s=(last - 0.5) / FRAMES_PER_SECOND,
            probability=0.9,
            probabilities={"collision": 0.5, "near_collision": 0.4, "normal": 0.1},
        )
        for name, (_, first, last) in zip(("collision", "near_collision"), SEGMENTS, strict=True)
    ]
    found = VideoDetections(
        video=str(video),
        files=(TripFile(path=str(video), start_s=0.0, duration_s=FRAMES / FRAMES_PER_SECOND),),
        model="none",
        outcome=Outcome.OK,
        reason="",
        duration_s=FRAMES / FRAMES_PER_SECOND,
        threshold=0.5,
        events=tuple(events),
        windows=(),
    )
    facts = {"taxonomy": DEFAULT_TAXONOMY.model_dump(mode="json")}
    with writing_artifact(out / "a", KIND, {"video": video}, DetectSettings(), facts=facts) as folder:
        assert folder is not None
        write_events_file(folder, found)
    write_short_list(out, ShortListSettings(formats=("label-studio", "fiftyone")))


def check_our_readers(folder: Path) -> None:
    """Import all that the tools wrote; each must hold the segments, to a frame."""
    from vlm_autodrive.artifacts import read_events
    from vlm_autodrive.datasets import ImportSettings, import_dataset
    from vlm_autodrive.settings import parse_settings

    rate = parse_settings(
        ImportSettings, {"videos": str(folder), "segments": {"frames_per_second": FRAMES_PER_SECOND}}, "here"
    )
    plain = ImportSettings(strict=True)
    sources = [("fiftyone", one, plain) for one in sorted(folder.glob("fiftyone-*"))]
    sources += [("fiftyone", folder / "samples.json", plain)]
    sources += [("fiftyone", folder / "ours" / "labels.json", ImportSettings(videos=str(folder), strict=True))]
    sources += [("label-studio", folder / "studio.json", rate), ("label-studio", folder / "min" / "result.json", rate)]
    for number, (kind, source, settings) in enumerate(sources):
        events = read_events(import_dataset(kind, source, folder / f"catalog-{number}", settings))
        found = [(event.event_class, event.time_s) for event in events]
        assert [name for name, _ in found] == ["collision", "near_collision"], (source, found)
        starts = [(first - 1) / FRAMES_PER_SECOND for _, first, _ in SEGMENTS]
        off = [abs((time_s or 0.0) - start) for (_, time_s), start in zip(found, starts, strict=True)]
        assert max(off) <= 1 / FRAMES_PER_SECOND, (source, found)
        print(f"{kind:12} {source.relative_to(folder)!s:28} {len(found)} segments, at most {max(off):.3f} s apart")


def main() -> None:
    """Write, have the tools write and read, and check."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("python", help="the interpreter of an environment with label-studio-sdk and fiftyone")
    parser.add_argument("--write", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.write is not None:
        write_by_the_tools(arguments.write)
        return
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        write_ours(folder)
        subprocess.run([arguments.python, __file__, arguments.python, "--write", made], check=True)
        check_our_readers(folder)


if __name__ == "__main__":
    sys.exit(main())
