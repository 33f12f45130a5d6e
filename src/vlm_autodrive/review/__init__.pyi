from .app import create_app
from .items import ProbabilityCurve, ReviewAnswer, ReviewItem
from .security import Access
from .server import serve
from .session import Review, open_review
from .sources import ReviewSource, read_source
from .store import DecisionStore, default_store

__all__ = [
    "Access",
    "DecisionStore",
    "ProbabilityCurve",
    "Review",
    "ReviewAnswer",
    "ReviewItem",
    "ReviewSource",
    "create_app",
    "default_store",
    "open_review",
    "read_source",
    "serve",
]
