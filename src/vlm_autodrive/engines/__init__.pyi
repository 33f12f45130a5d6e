from .answers import parse_class, parse_reasoning, reasoning_of
from .endpoint.address import endpoint_of
from .endpoint.budget import money_for
from .endpoint.cache import ReplyCache, cache_path
from .endpoint.chat import body_of, shown, text_part
from .endpoint.client import Asked, Client, Use, open_client
from .endpoint.completion import Completion
from .endpoint.database import Database, open_database
from .endpoint.in_order import in_order, run_async
from .endpoint.json_answers import read_answer
from .endpoint.settings import Called, EndpointSettings
from .endpoint.tokens import Cost, most_cost, picture_tokens, text_tokens
from .local import LocalEngine, load_engine
from .opening import SHIPPED_MODEL, default_model, open_model
from .protocol import Engine, InferenceRequest, InferenceResponse
from .served_settings import ServedModelSettings

__all__ = [
    "SHIPPED_MODEL",
    "Asked",
    "Called",
    "Client",
    "Completion",
    "Cost",
    "Database",
    "EndpointSettings",
    "Engine",
    "InferenceRequest",
    "InferenceResponse",
    "LocalEngine",
    "ReplyCache",
    "ServedModelSettings",
    "Use",
    "body_of",
    "cache_path",
    "default_model",
    "endpoint_of",
    "in_order",
    "load_engine",
    "money_for",
    "most_cost",
    "open_client",
    "open_database",
    "open_model",
    "parse_class",
    "parse_reasoning",
    "picture_tokens",
    "read_answer",
    "reasoning_of",
    "run_async",
    "shown",
    "text_part",
    "text_tokens",
]
