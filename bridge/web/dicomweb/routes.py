"""Every blueprint of DICOMweb."""

from __future__ import annotations

from bridge.web.dicomweb import bulk, objects, search

blueprints = (search.blueprint, objects.blueprint, bulk.blueprint)
