"""How HTML pages are made from templates, wherever one is written."""

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from vlm_autodrive.palette import css_variables


def page_templates(package: str) -> Environment:
    """The templates of a package; all that is filled in is escaped, and a name that is not given is an error.

    Templates put ``palette``, the CSS variables of all colours, before their own styles.

    Args:
        package: The package whose folder ``templates`` holds them, such as ``vlm_autodrive.evaluation.report``.
    """
    environment = Environment(
        loader=PackageLoader(package, "templates"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["palette"] = Markup(css_variables())
    return environment
