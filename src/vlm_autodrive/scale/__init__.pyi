from .cluster import RAY, on_cluster
from .ray_executor import RayExecutor

__all__ = ["RAY", "RayExecutor", "on_cluster"]
