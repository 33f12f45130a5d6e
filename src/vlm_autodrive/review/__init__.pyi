from .app import create_app
from .items import ProbabilityCurve, ReviewAnswer, ReviewItem
from .proposals import Proposals, ProposedMoment, propose, rank_moments
from .queue import queue_state
from .security import Access
from .server import serve
from .session import Review, open_review
from .sources import ReviewSource, read_source
from .store import DecisionStore, default_store

__all__ = [
    "Access",
    "DecisionStore",
    "ProbabilityCurve",
    "Proposals",
    "ProposedMoment",
    "Review",
    "ReviewAnswer",
    "ReviewItem",
    "ReviewSource",
    "create_app",
    "default_store",
    "open_review",
    "propose",
    "queue_state",
    "rank_moments",
    "read_source",
    "serve",
]
