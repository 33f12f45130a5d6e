"""Excel workbooks, old (``.xls``) and new (``.xlsx``), as rows with named columns."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from vlm_autodrive.errors import UserError
from vlm_autodrive.tables import Row


def read_sheet(path: Path, headings: Mapping[str, str]) -> list[Row]:
    """The rows of the first sheet that has all columns wanted, in whatever order they stand.

    Args:
        path: The workbook.
        headings: How each column's heading begins, in small letters, and what the column is called here.

    Returns:
        The rows that are not empty; their lines are those of the sheet.

    Raises:
        UserError: If the reader of workbooks is not installed, or there is no such workbook or sheet.
    """
    try:
        from python_calamine import CalamineError, CalamineWorkbook
    except ImportError:
        raise UserError(f"{path.name} is a workbook; pip install '.[sheets]' to read it.") from None
    try:
        with path.open("rb") as stream:
            workbook = CalamineWorkbook.from_filelike(stream)
            sheets = [
                workbook.get_sheet_by_name(name).to_python(skip_empty_area=False) for name in workbook.sheet_names
            ]
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}).") from None
    except CalamineError as error:
        raise UserError(f"{path} is no Excel workbook ({error}); get it anew.") from None
    for cells in sheets:
        places = _places(cells[0], headings) if cells else {}
        if len(places) == len(headings):
            rows = [
                Row(path, line, {column: str(row[place]).strip() for column, place in places.items()})
                for line, row in enumerate(cells[1:], start=2)
            ]
            return [row for row in rows if any(row.cells.values())]
    raise UserError(f"{path} has no sheet with the columns {', '.join(headings)}; get it anew.")


def _places(header: Sequence[object], headings: Mapping[str, str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for place, cell in enumerate(header):
        heading = str(cell).strip().casefold()
        for beginning, column in headings.items():
            if heading == beginning or heading.startswith(f"{beginning}(") or heading.startswith(f"{beginning} ("):
                found.setdefault(column, place)
    return found
