"""Which contexts are accepted. Source: PS3.8 7.1.1.13, PS3.7 D.3.3.4."""

from __future__ import annotations

from pynetdicom import build_context
from pynetdicom.presentation import PresentationContext

from bridge.codecs.dicom.status import Service
from bridge.listeners.dicom.catalogue import STORAGE_CLASSES, offered_services, rights_of
from bridge.listeners.dicom.negotiation import Negotiated, negotiate

CT = "1.2.840.10008.5.1.4.1.1.2"
WORKLIST = "1.2.840.10008.5.1.4.31"
IMPLICIT, EXPLICIT, BIG = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"
DEFLATED, JPIP, JPEG = "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.4.94", "1.2.840.10008.1.2.4.50"
MODALITY, VIEWER, REFERRER = rights_of(("modality",)), rights_of(("viewer",)), rights_of(("referrer",))


def propose(*contexts: tuple[str, list[str]]) -> list[PresentationContext]:
    proposed = []
    for place, (abstract, syntaxes) in enumerate(contexts):
        context = build_context(abstract, syntaxes)
        context.context_id = 2 * place + 1
        proposed.append(context)
    return proposed


def decide(
    *contexts: tuple[str, list[str]],
    rights: frozenset[Service] = MODALITY,
    roles: dict[str, tuple[bool, bool]] | None = None,
    private: tuple[str, ...] = (),
) -> Negotiated:
    return negotiate(propose(*contexts), roles or {}, offered_services(private), rights)


def results(answer: Negotiated) -> list[int | None]:
    return [context.result for context in answer.results]


def test_an_object_comes_in_the_first_syntax_of_its_sender_that_we_keep() -> None:
    answer = decide((CT, [JPIP, JPEG, EXPLICIT]), (CT, [DEFLATED, EXPLICIT]), (CT, [BIG, EXPLICIT]))
    assert [context.transfer_syntax for context in answer.contexts.values()] == [JPEG, DEFLATED, BIG]


def test_syntaxes_that_nobody_knows_or_that_need_another_server_are_refused_context_by_context() -> None:
    assert results(decide((CT, [JPIP]), (CT, ["1.2.3"]), (CT, [EXPLICIT]))) == [4, 4, 0]


def test_all_the_contexts_that_an_association_can_propose_are_answered() -> None:
    classes = sorted(STORAGE_CLASSES)
    proposed = [(classes[place % len(classes)], [EXPLICIT]) for place in range(128)]
    answer = decide(*proposed)
    assert results(answer) == [0] * 128
    assert list(answer.contexts) == list(range(1, 256, 2))


def test_classes_that_the_standard_has_retired_are_taken() -> None:
    ultrasound, frames, nuclear = (f"1.2.840.10008.5.1.4.1.1.{number}" for number in (6, 3, 5))
    assert results(decide((ultrasound, [IMPLICIT]), (frames, [IMPLICIT]), (nuclear, [IMPLICIT]))) == [0, 0, 0]


def test_a_query_is_answered_in_implicit_vr_where_that_is_proposed() -> None:
    answer = decide((WORKLIST, [EXPLICIT, IMPLICIT]), (WORKLIST, [EXPLICIT]), (WORKLIST, [BIG]))
    assert [context.transfer_syntax for context in answer.contexts.values()] == [IMPLICIT, EXPLICIT]
    assert results(answer) == [0, 0, 4]


def test_what_a_peer_may_not_do_is_a_user_rejection_and_what_nobody_knows_is_unknown() -> None:
    assert results(decide((WORKLIST, [IMPLICIT]), (CT, [IMPLICIT]), rights=REFERRER)) == [1, 0]
    assert results(decide((WORKLIST, [IMPLICIT]), (CT, [IMPLICIT]), rights=VIEWER)) == [1, 1]
    assert results(decide(("1.2.3.4", [IMPLICIT]))) == [3]


def test_private_classes_are_taken_only_where_they_are_named() -> None:
    assert results(decide(("1.2.3.4", [IMPLICIT]), private=("1.2.3.4",))) == [0]
    assert results(decide(("1.2.3.5", [IMPLICIT]), private=("1.2.3.4",))) == [3]


def test_any_private_class_is_one_that_is_not_the_standards() -> None:
    unknown = "1.2.840.10008.5.1.4.99999"
    assert results(decide(("1.2.3.4", [IMPLICIT]), (unknown, [IMPLICIT]), private=("any",))) == [0, 3]
    assert results(decide(("1.2.3.4", [IMPLICIT]), rights=VIEWER, private=("any",))) == [1]


def test_a_viewer_receives_objects_in_a_context_in_which_it_may_not_store() -> None:
    answer = decide((CT, [EXPLICIT]), rights=VIEWER, roles={CT: (True, True)})
    (context,) = answer.contexts.values()
    assert (context.serves, context.sends) == (False, True)
    (item,) = answer.roles
    assert (item.scu_role, item.scp_role) == (False, True)


def test_one_role_item_answers_all_contexts_of_its_class() -> None:
    answer = decide((CT, [EXPLICIT]), (CT, [JPEG]), roles={CT: (False, True)})
    assert len(answer.roles) == 1
    assert all(context.sends and not context.serves for context in answer.contexts.values())


def test_a_requestor_that_wants_no_role_gets_no_context() -> None:
    assert results(decide((CT, [EXPLICIT]), roles={CT: (False, False)})) == [1]


def test_retired_storage_classes_are_known() -> None:
    retired = {f"1.2.840.10008.5.1.4.1.1.{number}" for number in ("3", "5", "6", "12.3", "88.1")}
    assert retired <= STORAGE_CLASSES
    assert "1.2.840.10008.1.20.1" not in STORAGE_CLASSES, "storage commitment keeps no object"
