"""REST under /api: the shapes that scripts rely on; one module for each area, each a blueprint.

`routes.py` collects them; `openapi.py` describes them, and a test compares that description with the URL map.
"""
