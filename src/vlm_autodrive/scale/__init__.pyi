from .cluster import on_cluster
from .ray_executor import RayExecutor

__all__ = ["RayExecutor", "on_cluster"]
