"""How many faces ``--blur faces`` finds, by their size, what else it hides in real footage, and how long it takes.

    python -m benchmarks.blur_faces ../shared/fixtures/videos --pictures build/blur --write

Faces of known size are pasted into frames of the footage: the portrait that scikit-image brings along (NASA, public
domain), and its 100 faces of Labeled Faces in the Wild, grey and cut so closely that they are harder to find than a
whole head. A face counts as found if its middle is hidden. Then frames of the footage, one a second, are searched as
they are: nobody has marked the faces in them, so the pictures with outlined regions are to be looked at. With
``--write`` the tables are written into docs/privacy.md between the marks.
"""

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import skimage.data
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from benchmarks.docs_table import write_table
from benchmarks.machine import processor_name
from vlm_autodrive.video import VideoError, probe, read_pictures
from vlm_autodrive.video.face_blur import find_faces

Picture = NDArray[np.uint8]
Box = tuple[int, int, int, int]

SIZES = ((448, 252), (640, 360), (1280, 720))
_DOCS = Path(__file__).parents[1] / "docs" / "privacy.md"
_PORTRAIT_FACE = (58, 178, 181, 270)  # top, bottom, left and right of the face, by the eye
_HEIGHTS = (8, 12, 16, 24, 40)
_IN_A_FRAME = 20
_TRIES = 10  # of the portrait, each at another place


def main() -> None:
    """Measure, and print or write the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("videos", type=Path, help="folder of real videos")
    parser.add_argument("--pictures", type=Path, help="where frames with outlined regions go")
    parser.add_argument("--write", action="store_true", help="write the tables into docs/privacy.md")
    asked = parser.parse_args()
    frames = dict(_frames(asked.videos))
    backgrounds = [pictures[0] for pictures in frames.values() if pictures[0].shape[1] == SIZES[-1][0]]
    pasted = _recall_table(backgrounds)
    found = _footage_table(frames, asked.pictures)
    print("\n".join([*pasted, "", *found]))
    if asked.write:
        write_table("pasted faces", pasted, _DOCS)
        write_table("footage", found, _DOCS)


def _frames(folder: Path) -> Iterator[tuple[Path, list[Picture]]]:
    for path in sorted(folder.iterdir()):
        try:
            length_s = probe(path).duration_s
            yield path, read_pictures(path, [second + 0.5 for second in range(max(1, int(length_s)))], SIZES[-1][0])
        except VideoError:
            continue  # the list of labels


def _recall_table(backgrounds: list[Picture]) -> list[str]:
    rows = ["| faces | picture | " + " | ".join(f"{height} px" for height in _HEIGHTS) + " |", "|---" * 7 + "|"]
    small = np.load(Path(skimage.data.__file__).with_name("lfw_subset.npy"))[:100]
    faces = [np.repeat((each * 255).astype(np.uint8)[..., None], 3, axis=2) for each in small]
    for name, count in (("portrait", _recall_of_portrait), ("100 close crops", lambda *how: _recall_of(faces, *how))):
        for size in SIZES:
            cells = [count(backgrounds, size, height) for height in _HEIGHTS]
            rows.append(f"| {name} | {size[0]} x {size[1]} | " + " | ".join(cells) + " |")
    return rows


def _recall_of_portrait(backgrounds: list[Picture], size: tuple[int, int], height: int) -> str:
    portrait = Image.fromarray(skimage.data.astronaut())
    top, bottom, left, right = _PORTRAIT_FACE
    scale = height / (bottom - top)
    side = round(portrait.width * scale)
    draw = np.random.default_rng(0)
    hits = 0
    for number in range(_TRIES):
        frame = _resized(backgrounds[number % len(backgrounds)], size)
        x, y = (int(draw.integers(0, free - side)) for free in size)
        frame.paste(portrait.resize((side, side), Image.Resampling.LANCZOS), (x, y))
        middle = x + (left + right) / 2 * scale, y + (top + bottom) / 2 * scale
        hits += _is_hidden(middle, find_faces(Path("pasted"), np.asarray(frame)))
    return f"{hits} of {_TRIES}"


def _recall_of(faces: list[Picture], backgrounds: list[Picture], size: tuple[int, int], height: int) -> str:
    hits = 0
    for number, first in enumerate(range(0, len(faces), _IN_A_FRAME)):
        frame = _resized(backgrounds[number % len(backgrounds)], size)
        middles = []
        for place, face in enumerate(faces[first : first + _IN_A_FRAME]):
            x, y = size[0] * (2 * (place % 5) + 1) // 10, size[1] * (2 * (place // 5) + 1) // 8
            frame.paste(Image.fromarray(face).resize((height, height), Image.Resampling.LANCZOS), (x, y))
            middles.append((x + height / 2, y + height / 2))
        found = find_faces(Path("pasted"), np.asarray(frame))
        hits += sum(_is_hidden(middle, found) for middle in middles)
    return f"{hits} of {len(faces)}"


def _footage_table(frames: dict[Path, list[Picture]], out: Path | None) -> list[str]:
    rows = [
        "| picture | frames | regions hidden | most of a frame hidden | CPU time per frame, ms |",
        "|---|---|---|---|---|",
    ]
    for size in SIZES:
        regions, most, count, spent_s = 0, 0.0, 0, 0.0
        for path, pictures in frames.items():
            for second, picture in enumerate(pictures):
                image = _resized(picture, size)
                begun = time.process_time()
                found = find_faces(path, np.asarray(image))
                spent_s += time.process_time() - begun
                count, regions = count + 1, regions + len(found)
                most = max(most, sum((right - left) * (low - top) for left, top, right, low in found) / np.prod(size))
                if out is not None:
                    _outline(image, found, out / f"{size[0]}" / f"{path.stem}_{second:02d}.png")
        rows.append(
            f"| {size[0]} x {size[1]} | {count} | {regions} | {100 * most:.1f} % | {1000 * spent_s / count:.0f} |"
        )
    return [*rows, "", f"Machine: {processor_name()}. Time is that of all cores together."]


def _outline(image: Image.Image, found: list[Box], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    for box in found:
        ImageDraw.Draw(image).rectangle(box, outline=(255, 0, 0))
    image.save(path)


def _resized(picture: Picture, size: tuple[int, int]) -> Image.Image:
    return Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS)


def _is_hidden(middle: tuple[float, float], found: list[Box]) -> bool:
    return any(left <= middle[0] < right and top <= middle[1] < low for left, top, right, low in found)


if __name__ == "__main__":
    main()
