"""A payer's packet is put together here: drawn, written, kept, and only then told of. Nothing leaves; who may fetches it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from secrets import token_urlsafe

from bridge.codecs.dicom.key_object_manifest import KeyObjectManifest, NamedObject, write_manifest
from bridge.codecs.packet_manifest import write_packet_manifest
from bridge.codecs.pdf.packet_document import picture_key, write_packet
from bridge.domain.attachment import TO_PAYER, AttachmentState, ClaimAttachment
from bridge.domain.identifiers import derive_uid, digest_of
from bridge.domain.packet import KeyPicture, Packet, PacketFile, ShareLink
from bridge.domain.viewer_links import open_link
from bridge.errors import Conflict, Incomplete, Unavailable, Unsupported
from bridge.leaving.objects import MODIFYING_SYSTEM
from bridge.leaving.packet_material import PacketGround, PacketMaterial, collect_packet
from bridge.leaving.packet_pictures import Chosen
from bridge.outbox import enqueue
from bridge.outbox.publisher import Hold, Nothing, Parcel, Receipt, StillWanted
from bridge.pictures.gallery import Pictures
from bridge.pictures.wish import Picture, Window, Wish
from bridge.publishers.packet_documents import Documents, read_documents
from bridge.store import authorizations, events, packets, patients, rejections, studies, viewer_links
from bridge.store.blobs import Blobs
from bridge.store.db import ReadTx, WriteTx
from bridge.store.deliveries import Delivery
from bridge.store.events import Event, Station
from bridge.store.packets import KeptFile, KeptPacket
from bridge.store.users import digest_of_secret
from bridge.store.viewer_links import ViewerLink

# Quality of the JPEGs and their longer side, tried in turn until the packet is small enough.
_STEPS = ((90, 1024), (80, 1024), (75, 768), (65, 512), (50, 384))

# An object that is damaged or gone stays so; decoders that are busy do not.
_NOT_HERE = frozenset({"no_object", "object_damaged"})


@dataclass(frozen=True, slots=True)
class PacketParcel(Parcel):
    """What a packet is made of. limit_bytes: what its payer takes. known: the evidence of the version that stands, "" for none."""

    attachment: ClaimAttachment
    material: PacketMaterial
    limit_bytes: int
    known: str
    payer: tuple[str, str]


@dataclass(frozen=True, slots=True)
class PacketReceipt(Receipt):
    """What was kept; None where the version that stands says the same. link: what it has, and its secret's digest."""

    kept: KeptPacket | None
    link: tuple[ShareLink, str] | None = None


@dataclass(frozen=True, slots=True)
class _Drawn:
    """The pictures of a packet, and which could not be drawn."""

    pictures: tuple[KeyPicture, ...]
    contents: Mapping[str, bytes]
    left_out: tuple[str, ...]


class PacketPublisher:
    """
    Puts packets together. limit_of: how many bytes a payer takes, by its number and its name.

    A packet that stands is made again when its evidence changed, as a new version; every version is kept.
    """

    topic = enqueue.PACKET
    destinations = (enqueue.PACKETS,)

    def __init__(
        self, blobs: Blobs, pictures: Pictures, ground: PacketGround, limit_of: Callable[[str, str], int]
    ) -> None:
        self._blobs = blobs
        self._pictures = pictures
        self._ground = ground
        self._limit_of = limit_of

    def prepare(self, tx: ReadTx, delivery: Delivery, now: datetime) -> PacketParcel | Hold | Nothing:
        """Collect what the packet holds, unless its study's patient is in question."""
        if delivery.attachment_key is None:
            return Nothing("it names no attachment")
        attachment = authorizations.get_attachment(tx, delivery.attachment_key)
        authorization = authorizations.get(tx, attachment.authorization_key)
        study = studies.get(tx, attachment.study_key)
        if attachment.state == AttachmentState.REVIEW:
            return Hold(attachment.detail or "the attachment is in review")
        if not study.is_bound or study.patient_key != patients.survivor(tx, authorization.patient_key).key:
            return Hold("the study is not bound to this patient")
        if not rejections.shown_uids(tx, study.key):
            return Hold("every image of the study was rejected")
        standing = packets.newest(tx, attachment.key)
        is_same_binding = standing is not None and standing.binding_version == study.binding_version
        return PacketParcel(
            delivery,
            study.key,
            study.binding_version,
            attachment,
            collect_packet(tx, attachment, self._ground, now),
            self._limit_of(authorization.payer_id, authorization.payer_name),
            standing.evidence_digest if standing is not None and is_same_binding else "",
            (authorization.payer_id, authorization.payer_name),
        )

    def send(self, parcel: PacketParcel, still_wanted: StillWanted) -> PacketReceipt:
        """
        Draw, write and keep the packet.

        Raises: Conflict, "packet_too_large", if its payer takes less, however small its pictures are; Unavailable.
        """
        link, digest = self._link(parcel)
        parcel = replace(parcel, material=replace(parcel.material, packet=replace(parcel.material.packet, link=link)))
        documents = read_documents(self._blobs, parcel.material.documents)
        while True:
            made = self._made(parcel, documents, still_wanted)
            if isinstance(made, PacketReceipt):
                return replace(made, link=(link, digest)) if link is not None else made
            if not documents.received:
                raise made
            documents = documents.without_largest()

    def _link(self, parcel: PacketParcel) -> tuple[ShareLink | None, str]:
        """Return a new link to the whole study and its secret's digest, if the packet is to have one."""
        packet, terms = parcel.material.packet, self._ground.share
        if not packet.whole_study_because:
            return None, ""
        secret = token_urlsafe(32)
        ends_at = packet.made_at + timedelta(days=terms.days(*parcel.payer))
        return ShareLink(open_link(terms.public_url, secret), ends_at), digest_of_secret(secret)

    def _made(self, parcel: PacketParcel, documents: Documents, still_wanted: StillWanted) -> PacketReceipt | Conflict:
        """Return the packet with these documents, or why it is too large with them, however small its pictures are."""
        document, packet = b"", parcel.material.packet
        for quality, side in _STEPS:
            drawn = self._draw(parcel.material.chosen, quality, side)
            packet = replace(packet, pictures=drawn.pictures, appended=documents.said)
            if packet.digest() == parcel.known:
                return PacketReceipt("the packet that stands says the same", None)
            document = write_packet(packet, drawn.contents, documents.received)
            if len(document) <= parcel.limit_bytes:
                left_out = (*parcel.material.left_out, *drawn.left_out, *documents.left_out)
                still_wanted()
                return self._kept(parcel, packet, document, left_out)
            if not drawn.pictures:
                break
        return _too_large(len(document), parcel.limit_bytes, packet)

    def settled(self, tx: WriteTx, parcel: PacketParcel, receipt: PacketReceipt, at: datetime) -> None:
        """Tell of the new version, unless the binding under it changed."""
        study, attachment = studies.get(tx, parcel.material.study.key), parcel.attachment
        if study.binding_version != parcel.binding_version or receipt.kept is None:
            return
        standing = packets.newest(tx, attachment.key)
        version = standing.version + 1 if standing is not None else 1
        if receipt.kept.version != version:
            raise Unavailable("another version of the packet was made meanwhile", code="packet_changed")
        packets.add(tx, receipt.kept)
        now = authorizations.get_attachment(tx, attachment.key)
        if receipt.link is not None:
            _keep_link(tx, parcel, receipt.link, now, at)
        if now.kind in TO_PAYER:
            if now.state == AttachmentState.DRAFT and now.detail:
                authorizations.set_attachment_state(tx, attachment.key, now.state, at)
        elif now.state == AttachmentState.FAILED:
            authorizations.set_attachment_state(tx, attachment.key, AttachmentState.RELEASED, at)
        on = authorizations.get(tx, attachment.authorization_key)
        what = f"Packet for authorization {on.name} put together, version {version}"
        source = ("authorization", str(on.key))
        events.add(tx, Event(at, Station.AUTHORIZATION, what, attachment.attached_by, *source, on.order_key, study.key))

    def failed(self, tx: WriteTx, delivery: Delivery, detail: str, is_dead: bool, at: datetime) -> None:
        """Say at the attachment why there is no packet; dead, it is failed."""
        if delivery.attachment_key is None:
            return
        attachment = authorizations.get_attachment(tx, delivery.attachment_key)
        is_held = attachment.state in (AttachmentState.DRAFT, AttachmentState.REVIEW) or attachment.kind in TO_PAYER
        state = AttachmentState.FAILED if is_dead and not is_held else attachment.state
        authorizations.set_attachment_state(tx, attachment.key, state, at, detail=detail)

    def _draw(self, chosen: tuple[Chosen, ...], quality: int, side: int) -> _Drawn:
        pictures, contents, left_out = list[KeyPicture](), dict[str, bytes](), list[str]()
        for one in chosen:
            wish = Wish(frame=one.picture.frame, width=side, height=side, kind="image/jpeg", quality=quality)
            try:
                drawn = self._pictures.draw(one.instance.blob, wish)
            except (Unsupported, Incomplete, Unavailable) as fault:
                if isinstance(fault, Unavailable) and fault.code not in _NOT_HERE:
                    raise
                place = f"Series {one.picture.series_number or '-'}, image {one.picture.instance_number or '-'}"
                left_out.append(f"{place}: {fault.detail}")
                continue
            shown = replace(one.picture, window=_window(drawn))
            pictures.append(shown)
            contents[picture_key(shown)] = drawn.content
        return _Drawn(tuple(pictures), contents, tuple(left_out))

    def _kept(self, parcel: PacketParcel, packet: Packet, document: bytes, left_out: tuple[str, ...]) -> PacketReceipt:
        made = [(PacketFile.DOCUMENT, document)]
        if packet.pictures:
            made.append((PacketFile.KEY_OBJECTS, write_manifest(_key_objects(parcel, packet))))
        beside = [(kind.value, digest_of(content), len(content)) for kind, content in made]
        made.append((PacketFile.MANIFEST, write_packet_manifest(packet, beside, left_out)))
        files = tuple(
            KeptFile(kind, len(content), self._blobs.keep_bytes(content, digest_of(content))) for kind, content in made
        )
        kept = KeptPacket(
            key=0,
            attachment_key=parcel.attachment.key,
            version=packet.version,
            binding_version=parcel.binding_version,
            evidence_digest=packet.digest(),
            made_at=packet.made_at,
            reports=len(packet.reports),
            prior_reports=len(packet.prior_reports),
            notes=len(packet.notes),
            labs=len(packet.labs),
            priors=len(packet.priors),
            pictures=len(packet.pictures),
            instances=tuple(dict.fromkeys(one.sop_instance_uid for one in packet.pictures)),
            holds=parcel.material.holds,
            left_out=left_out,
            files=files,
        )
        return PacketReceipt(f"version {packet.version}, {len(document)} bytes", kept)


def _keep_link(
    tx: WriteTx, parcel: PacketParcel, made: tuple[ShareLink, str], now: ClaimAttachment, at: datetime
) -> None:
    """Let the link that a packet has open its study, unless sharing was ended meanwhile."""
    if now.shared_at != parcel.attachment.shared_at:
        raise Unavailable("what the payer may look at was changed meanwhile", code="packet_changed")
    link, digest = made
    study, payer = parcel.material.study, next(filter(None, parcel.payer), "payer")
    kept = ViewerLink(
        0,
        (parcel.material.patient.key,),
        study.key,
        payer,
        now.attached_by,
        "",
        at,
        link.expires_at,
        attachment_key=now.key,
        binding_version=parcel.binding_version,
    )
    viewer_links.add(tx, kept, digest)


def _window(drawn: Picture) -> str:
    found: Window | None = drawn.window
    return f"{found.center:g} / {found.width:g}" if found is not None else ""


def _key_objects(parcel: PacketParcel, packet: Packet) -> KeyObjectManifest:
    """Return what the key object document says. Its UIDs follow from the attachment, the version and the evidence."""
    material, study_uid = parcel.material, parcel.material.study.study_instance_uid
    classes = {one.instance.sop_instance_uid: one.instance.sop_class_uid for one in material.chosen}
    frames = {one.instance.sop_instance_uid: one.instance.number_of_frames for one in material.chosen}
    number = packet.authorization.control_number
    return KeyObjectManifest(
        sop_instance_uid=derive_uid("packet", number, str(packet.version), packet.digest()),
        series_instance_uid=derive_uid("packet-series", number),
        study_instance_uid=study_uid,
        patient=material.patient,
        made_at=packet.made_at,
        objects=tuple(
            NamedObject(
                study_uid,
                one.series_instance_uid,
                classes[one.sop_instance_uid],
                one.sop_instance_uid,
                one.frame if frames[one.sop_instance_uid] > 1 else 0,
            )
            for one in packet.pictures
        ),
        accession_number=packet.order.accession_number,
        study_date=material.study_date,
        study_time=material.study_time,
        study_id=material.study_id,
        manufacturer=MODIFYING_SYSTEM,
        why=f"Key images for {packet.purpose}, control number {number}",
    )


def _too_large(size: int, limit: int, packet: Packet) -> Conflict:
    """Return what is said of a packet that its payer would not take."""
    texts = sum(len(text) for report in packet.reports for _, text in report.sections)
    what = (
        f"the packet has {size} bytes at its smallest, the payer takes {limit}: "
        f"{len(packet.pictures)} images, {len(packet.reports)} reports of {texts} characters; choose fewer images"
    )
    return Conflict(what, code="packet_too_large", where="instances")
