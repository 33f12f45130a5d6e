"""The renderer: scenes to frames by Panda3D's software pipeline, without display or GPU."""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from math import degrees
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from vlm_autodrive.errors import UserError
from vlm_autodrive.simulation.random_encounters import Look
from vlm_autodrive.simulation.scenery import CHUNK_M, bend, chunk, chunk_kind, chunk_middle
from vlm_autodrive.simulation.shapes import Mesh, road_user
from vlm_autodrive.simulation.video_scene import RoadUserTrack, VideoScene
from vlm_autodrive.simulation.weather import TINT, Atmosphere, Picture, sky

_AHEAD_M = 140.0
_BEHIND_M = 12.0
_CAMERA_HEIGHT_M = 1.42
_CAMERA_FORWARD_M = 0.35
_FIELD_OF_VIEW = 68.0


class Renderer:
    """One offscreen window of one process. Geometry is built once and shown again in other places."""

    def __init__(self, width: int, height: int) -> None:
        try:
            from panda3d.core import Camera as PandaCamera
            from panda3d.core import (
                FrameBufferProperties,
                GraphicsEngine,
                GraphicsOutput,
                GraphicsPipe,
                GraphicsPipeSelection,
                NodePath,
                PerspectiveLens,
                Texture,
                WindowProperties,
                loadPrcFileData,
            )
        except ImportError:
            raise UserError("the simulation needs Panda3D; run pip install '.[sim]' in the project's folder.") from None
        loadPrcFileData("", "load-display p3tinydisplay\naudio-library-name null\nnotify-level error")
        loadPrcFileData("", "garbage-collect-states 1")
        self.size = (width, height)
        self._converter = VideoReformatter()
        self._engine = GraphicsEngine.get_global_ptr()
        pipe = GraphicsPipeSelection.get_global_ptr().make_pipe("TinyOffscreenGraphicsPipe", "p3tinydisplay")
        if pipe is None:
            pipe = GraphicsPipeSelection.get_global_ptr().make_default_pipe()
        window = WindowProperties.size(width, height)
        frame_buffer = FrameBufferProperties()
        frame_buffer.set_rgb_color(True)
        frame_buffer.set_depth_bits(24)
        self._buffer: Any = self._engine.make_output(
            pipe, "dashcam", 0, frame_buffer, window, GraphicsPipe.BF_refuse_window
        )
        if self._buffer is None:
            raise UserError("Panda3D's software renderer does not start here; reinstall panda3d.")
        self._texture = Texture()
        self._buffer.add_render_texture(self._texture, GraphicsOutput.RTM_copy_ram)
        self._world = NodePath("world")
        lens = PerspectiveLens()
        lens.set_aspect_ratio(width / height)
        lens.set_fov(_FIELD_OF_VIEW)
        lens.set_near_far(0.25, 400.0)
        self._camera = self._world.attach_new_node(PandaCamera("camera", lens))
        region = self._buffer.make_display_region()
        region.set_camera(self._camera)
        self._models: dict[tuple[str, str], Any] = {}
        self._chunks: dict[tuple[object, ...], Any] = {}

    def close(self) -> None:
        """Give the window back."""
        self._engine.remove_window(self._buffer)

    def render(self, scene: VideoScene) -> Iterator[av.VideoFrame]:
        """The frames of a video, in order, as YUV 4:2:0."""
        look, camera = scene.look, scene.camera
        stage = self._world.attach_new_node("stage")
        tint = TINT[look.light]
        if look.weather != "Clear" and look.light != "Dark":
            tint = (tint[0] * 0.9, tint[1] * 0.9, tint[2] * 0.92)
        stage.set_color_scale(*tint, 1.0)
        # Panda3D sorts by state, which means by address in memory: the same scene would be drawn in another order
        # in another process, and surfaces that touch would come out differently.
        stage.set_bin("unsorted", 0)
        dome = self._dome(look)
        actors = [self._place(stage, track, look) for track in scene.tracks]
        atmosphere = Atmosphere(look, *self.size, scene.noise_seed)
        laid: dict[int, Any] = {}
        try:
            for frame in range(len(camera.s)):
                here = float(camera.s[frame])
                self._lay(stage, laid, here, scene)
                for (body, brakes), track in zip(actors, scene.tracks, strict=True):
                    self._move(body, brakes, track, frame, here, look.curvature)
                x, y = bend(_CAMERA_FORWARD_M, float(camera.d[frame] + camera.sway[frame]), look.curvature)
                self._camera.set_pos_hpr(
                    x,
                    y,
                    _CAMERA_HEIGHT_M + float(camera.lift[frame]),
                    -degrees(float(camera.heading[frame])),
                    -2.5 + float(camera.pitch[frame]),
                    float(camera.roll[frame]),
                )
                dome.set_pos(x, y, 0.0)
                self._engine.render_frame()
                picture = self._picture()
                luma, *chroma = (_plane(plane) for plane in picture.planes)
                atmosphere.apply(luma, (chroma[0], chroma[1]), frame)
                yield picture
        finally:
            stage.remove_node()
            dome.remove_node()

    def _picture(self) -> av.VideoFrame:
        """The rendered picture, copied, as the next frame overwrites Panda3D's."""
        width, height = self.size
        data = np.frombuffer(memoryview(self._texture.get_ram_image()), np.uint8).reshape(height, width, -1)
        layout = "bgra" if data.shape[2] == 4 else "bgr24"
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(data[::-1]), format=layout)
        # One converter for all, on one thread: to set one up takes longer than to convert.
        return self._converter.reformat(frame, format="yuv420p", threads=1)

    def _dome(self, look: Look) -> Any:
        zenith, horizon = sky(look)
        mesh = Mesh()
        for i in range(12):
            a, b = (2 * np.pi * k / 12 for k in (i, i + 1))
            low = [(300 * np.sin(k), 300 * np.cos(k), -8.0) for k in (a, b)]
            high = [(300 * np.sin(k), 300 * np.cos(k), 130.0) for k in (b, a)]
            mesh.quad([*low, *high], horizon, [horizon, horizon, zenith, zenith])
        node = mesh.node("sky")
        node.set_two_sided(True)
        node.set_depth_write(False)
        node.set_bin("background", 0)
        node.reparent_to(self._world)
        return node

    def _lay(self, stage: Any, laid: dict[int, Any], here: float, scene: VideoScene) -> None:
        """Keep the road built from just behind the camera to where nothing can be seen any more."""
        look = scene.look
        offset = chunk_middle(0, scene.crossings)
        first = round((here - offset - _BEHIND_M - CHUNK_M / 2) / CHUNK_M)
        last = round((here - offset + _AHEAD_M) / CHUNK_M)
        for index in [i for i in laid if i < first]:
            laid.pop(index).remove_node()
        for index in range(first, last + 1):
            if index not in laid:
                laid[index] = self._chunk(look, chunk_kind(look, index, scene.crossings)).copy_to(stage)
            along = chunk_middle(index, scene.crossings) - here
            x, y = bend(along, 0.0, look.curvature)
            laid[index].set_pos_hpr(x, y, 0, -degrees(along * look.curvature), 0, 0)

    def _chunk(self, look: Look, kind: str) -> Any:
        key = (look.scene, look.lanes, look.ego_lane, look.curvature, kind, look.weather == "Snow")
        if key not in self._chunks:
            self._chunks[key] = chunk(*key).node("chunk")
        return self._chunks[key]

    def _place(self, stage: Any, track: RoadUserTrack, look: Look) -> tuple[Any, Any]:
        key = (track.kind, track.color)
        if key not in self._models:
            body, lights, brakes = (mesh.node("part") if mesh.corners else None for mesh in road_user(*key))
            self._models[key] = (body, lights, brakes)
        body, lights, brakes = self._models[key]
        root = body.copy_to(stage)
        night = look.light in ("Dark", "Twilight")
        if track.kind in ("pedestrian", "cyclist") and night:
            root.set_color_scale_off()
            root.set_color_scale(*((0.8, 0.78, 0.76, 1.0) if look.light == "Dark" else (0.85, 0.8, 0.8, 1.0)))
        if lights is not None:
            copy = lights.copy_to(root)
            if night:
                copy.set_color_scale_off()
        brake = brakes.copy_to(root) if brakes is not None else None
        if brake is not None:
            brake.set_color_scale_off()
        return root, brake

    def _move(self, root: Any, brakes: Any, track: RoadUserTrack, frame: int, here: float, curvature: float) -> None:
        along = float(track.s[frame]) - here
        if not track.present[frame] or not -14.0 < along < _AHEAD_M:
            root.hide()
            return
        root.show()
        x, y = bend(along, float(track.d[frame]), curvature)
        tilt = float(track.tilt[frame])
        root.set_pos_hpr(
            x,
            y,
            float(track.height[frame]) + 0.3 * np.sin(tilt),
            -degrees(float(track.heading[frame]) + along * curvature),
            0.0,
            degrees(tilt),
        )
        if brakes is not None:
            if track.braking[frame]:
                brakes.show()
            else:
                brakes.hide()


def _plane(plane: Any) -> Picture:
    """A frame's plane as an array that writes through to it."""
    data = np.frombuffer(plane, np.uint8)
    return data.reshape(plane.height, plane.line_size)[:, : plane.width]


def write_video(frames: Iterable[av.VideoFrame], path: Path, width: int, height: int, fps: int) -> None:
    """Write an MP4. It gets its name only when it is whole."""
    partial = path.with_name(f"{path.name}.partial")
    with av.open(f"file:{partial}", "w", format="mp4") as container:
        # One thread: with more, the bytes depend on their number.
        stream = container.add_stream(
            "libx264", rate=fps, options={"preset": "ultrafast", "crf": "23", "threads": "1", "g": "50"}
        )
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.time_base = Fraction(1, fps)
        stream.codec_context.thread_count = 1
        for index, frame in enumerate(frames):
            frame.pts, frame.time_base = index, Fraction(1, fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    partial.replace(path)
