"""What leaves the house, made ready: objects with their study's corrections, resources as we show them, and what payers get.

Forwards, retrievals, DICOMweb and exports all ask here, so that whatever carries an object carries the same bytes; what a
person looks at before a release is made here, too, so that it is what leaves. Flows, publishers and web may import it.
A corrected copy is made when its turn comes and is gone once it was sent: a study never lies on the disk twice. What
cannot be corrected raises, and its sender holds it.
"""
