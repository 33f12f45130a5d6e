from .answers.codes import parse_letter
from .answers.observations import seen_in_reply
from .answers.parsing import parse_class, parse_reasoning, parse_reasoning_response
from .answers.times import CitedTime, find_times, is_in_clip
from .endpoint.address import endpoint_of
from .endpoint.budget import money_for
from .endpoint.cache import ReplyCache, cache_path
from .endpoint.chat import ChatRequest, FrameForm, frame_parts, text_part
from .endpoint.client import EndpointClient, open_client
from .endpoint.completion import Completion
from .endpoint.database import Database, open_database
from .endpoint.in_order import in_order, run_async
from .endpoint.refusals import Hint
from .endpoint.settings import EndpointNames, PriceSettings, ServedModelSettings, StructuredSettings
from .endpoint.structured import (
    CostEstimate,
    budget_lines,
    read_answer,
    structured_body,
    structured_hints,
    token_line,
)
from .endpoint.tokens import TokenUsage, least_picture_tokens, max_usage, picture_tokens, text_tokens
from .endpoint.usage import EndpointUsage
from .endpoint_check import EndpointAbility, EndpointCheck, check_endpoint
from .local import LocalEngine, load_engine
from .opening import ClusterEngine, cluster_engine, default_model, open_model
from .protocol import Engine, InferenceRequest, InferenceResponse, OverlapEngine, SeenPatches

__all__ = [
    "ChatRequest",
    "CitedTime",
    "ClusterEngine",
    "Completion",
    "CostEstimate",
    "Database",
    "EndpointAbility",
    "EndpointCheck",
    "EndpointClient",
    "EndpointNames",
    "EndpointUsage",
    "Engine",
    "FrameForm",
    "Hint",
    "InferenceRequest",
    "InferenceResponse",
    "LocalEngine",
    "OverlapEngine",
    "PriceSettings",
    "ReplyCache",
    "SeenPatches",
    "ServedModelSettings",
    "StructuredSettings",
    "TokenUsage",
    "budget_lines",
    "cache_path",
    "check_endpoint",
    "cluster_engine",
    "default_model",
    "endpoint_of",
    "find_times",
    "frame_parts",
    "in_order",
    "is_in_clip",
    "least_picture_tokens",
    "load_engine",
    "max_usage",
    "money_for",
    "open_client",
    "open_database",
    "open_model",
    "parse_class",
    "parse_letter",
    "parse_reasoning",
    "parse_reasoning_response",
    "picture_tokens",
    "read_answer",
    "run_async",
    "seen_in_reply",
    "structured_body",
    "structured_hints",
    "text_part",
    "text_tokens",
    "token_line",
]
