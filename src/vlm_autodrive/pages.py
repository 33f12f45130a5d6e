"""How pages are made from templates, wherever one is written."""

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape


def page_templates(package: str) -> Environment:
    """The templates of a package; all that is filled in is escaped, and a name that is not given is an error.

    Args:
        package: The package whose folder ``templates`` holds them, such as ``vlm_autodrive.evaluation``.
    """
    return Environment(
        loader=PackageLoader(package, "templates"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
