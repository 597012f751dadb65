"""How the documentation is built: Markdown, warnings as errors (`make docs`)."""

from importlib.metadata import version as version_of

project = "Tocsin"
author = "The Tocsin authors"
copyright = author  # noqa: A001 - Sphinx's name
release = version = version_of("tocsin")
extensions = ["myst_parser"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
html_theme = "furo"
html_title = f"Tocsin {release}"
exclude_patterns = ["_build", "states-table.md", "people-table.md"]  # the tables are included by other pages
nitpicky = True
