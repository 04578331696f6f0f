"""Templates of the report and the model card: files beside this one, package data of a wheel."""

from typing import Any

import jinja2


def render(template: str, /, **values: Any) -> str:
    """A template with its values, escaped in HTML; a value that the template names but nobody gives is an error."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("recipe.report", "templates"),
        autoescape=jinja2.select_autoescape(["html.j2"]),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    return environment.get_template(template).render(**values)
