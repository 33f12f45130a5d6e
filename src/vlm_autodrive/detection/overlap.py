"""What overlapping windows have in common, and whether a model can see it once for all of them."""

from vlm_autodrive.engines import Engine, OverlapEngine
from vlm_autodrive.video import target_frame_count


def unshared_words(engine: Engine, window_s: float, stride_s: float) -> str:
    """Why the model sees anew what windows have in common, and what would change that; empty if it does not.

    Windows lie on one grid of frames if the stride is a whole number of temporal patches.

    Args:
        engine: The model.
        window_s: Length of a window in seconds.
        stride_s: Seconds from one window's start to the next.
    """
    if not isinstance(engine, OverlapEngine) or stride_s >= window_s:
        return ""
    if engine.sampling.draw_timestamps:
        return (
            "The model sees every window as a whole: the times drawn into its frames count from its own start, so that "
            "no two windows show the same pictures."
        )
    patch_s = window_s / target_frame_count(window_s, engine.sampling) * engine.patch_frames
    patches = round(stride_s / patch_s)
    if patches and abs(stride_s - patches * patch_s) < 1e-6:
        return ""
    return (
        f"Windows share few temporal patches or none, since stride_s={stride_s:g} is not a whole number of them, "
        f"{patch_s:.6g} s each; with stride_s={max(patches, 1) * patch_s:.6g} the model would see each once "
        "for all windows that show it."
    )
