"""A server that makes of a request what vLLM 0.32 makes of it, by the stock processor and model of a folder alone.

From vLLM's source: ``multimodal/media/video.py`` reads the pictures and their times, the processor of the folder is
told not to sample and is given the image processor's mean and deviation, and ``Qwen2_5_VLForConditionalGeneration`` has
a reckoning of positions of its own, which is written out here.
"""

import base64
import io
from itertools import groupby

import numpy as np
import torch
from PIL import Image
from starlette.responses import JSONResponse
from transformers import AutoModelForImageTextToText, AutoProcessor

_VIDEO = 2  # of mm_token_type_ids


class VllmDouble:
    """Answers requests for a direct verdict, with the log-probabilities of the choices alone."""

    def __init__(self, folder):
        self.processor = AutoProcessor.from_pretrained(folder)
        self.model = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32).eval()

    def __call__(self, asked):
        body = asked.body
        with torch.inference_mode():
            logits = self.model(**self._inputs(body)).logits[0, -1]
        codes = body["structured_outputs"]["choice"]
        shares = logits[self.processor.tokenizer.convert_tokens_to_ids(codes)].log_softmax(-1).tolist()
        top = [{"token": code, "logprob": share} for code, share in zip(codes, shares, strict=True)]
        place = {**max(top, key=lambda each: each["logprob"]), "top_logprobs": top}
        choice = {"message": {"content": place["token"]}, "finish_reason": "stop", "logprobs": {"content": [place]}}
        return JSONResponse({"choices": [choice]})

    def _inputs(self, body):
        turns = body["messages"]
        url = next(p["video_url"]["url"] for p in turns[1]["content"] if p["type"] == "video_url")
        text = self.processor.apply_chat_template(
            [{"role": turn["role"], "content": _parts(turn["content"])} for turn in turns],
            tokenize=False,
            add_generation_prompt=body.get("add_generation_prompt", True),
            continue_final_message=body.get("continue_final_message", False),
            **body.get("chat_template_kwargs", {}),
        )
        kind, _, data = url.partition(",")
        assert kind == "data:video/jpeg;base64"
        pictures = [Image.open(io.BytesIO(base64.b64decode(part))).convert("RGB") for part in data.split(",")]
        told = body["media_io_kwargs"]["video"]
        assert told["num_frames"] == -1 and len(told["frames_indices"]) == len(pictures)
        images = self.processor.image_processor
        encoded = self.processor(
            text=[text],
            videos=[np.stack([np.asarray(picture) for picture in pictures])],
            video_metadata=[{name: told[name] for name in ("fps", "frames_indices", "total_num_frames")}],
            videos_kwargs={"do_sample_frames": False, "image_mean": images.image_mean, "image_std": images.image_std},
            return_tensors="pt",
        )
        if "second_per_grid_ts" in encoded:
            encoded["position_ids"] = self._positions_of_qwen2_5(encoded)
            del encoded["second_per_grid_ts"]
        return encoded

    def _positions_of_qwen2_5(self, encoded):
        vision = self.model.config.vision_config
        steps, rows, columns = encoded["video_grid_thw"][0].tolist()
        seconds = float(torch.as_tensor(encoded["second_per_grid_ts"], dtype=torch.float32)[0])
        made, begin = [], 0
        for kind, run in groupby(encoded["mm_token_type_ids"][0].tolist()):
            if kind == _VIDEO:
                grid = np.indices((steps, rows // vision.spatial_merge_size, columns // vision.spatial_merge_size))
                grid[0] = (grid[0] * (seconds * vision.tokens_per_second)).astype(np.int64)
                part = grid.reshape(3, -1)
            else:
                part = _text(len(list(run)))
            made.append(part + begin)
            begin = made[-1].max() + 1
        return torch.from_numpy(np.concatenate(made, axis=1))[:, None]


def _text(length):
    return np.tile(np.arange(length), (3, 1))


def _parts(content):
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
    return [{"type": "video"} if part["type"] == "video_url" else part for part in parts]
