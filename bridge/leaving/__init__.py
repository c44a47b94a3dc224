"""How an object is made ready to leave: the one place that lays a study's corrections over what was received.

Forwards, retrievals, DICOMweb and exports all ask here, so that whatever carries an object carries the same bytes.
Flows and publishers may import it. A corrected copy is made when its turn comes and is gone once it was sent: a study
never lies on the disk twice. What cannot be corrected raises, and its sender holds it.
"""
