"""Supervision in the forms that other trainers read."""

from vlm_autodrive.supervision.exporting.export import ExportSettings, ExportSummary, export_supervision

__all__ = ["ExportSettings", "ExportSummary", "export_supervision"]
