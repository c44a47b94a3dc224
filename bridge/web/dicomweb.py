"""DICOMweb: every address here is closed to strangers; the services themselves come with `dicomweb_services`."""

from __future__ import annotations

from flask import Blueprint, Response
from werkzeug.exceptions import NotFound

from bridge.domain.accounts import Permission
from bridge.web.access import needs

blueprint = Blueprint("dicomweb", __name__, url_prefix="/dicom-web")


@blueprint.get("/studies")
@needs(Permission.READ_DICOMWEB)
def search_studies() -> Response:
    """Find bound studies."""
    raise NotFound
