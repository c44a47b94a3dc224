"""Every blueprint of DICOMweb."""

from __future__ import annotations

from bridge.web.dicomweb import bulk, objects, rendered, search, store

blueprints = (search.blueprint, objects.blueprint, bulk.blueprint, rendered.blueprint, store.blueprint)
