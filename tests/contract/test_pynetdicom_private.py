"""Every name of pynetdicom and pydicom that the DICOM door leans on without a promise: an upgrade that moves one fails here first."""

from __future__ import annotations

import importlib
import inspect
import queue
import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest
from pynetdicom import AE, fsm
from pynetdicom._globals import MODE_ACCEPTOR
from pynetdicom.association import Association
from pynetdicom.dul import DULServiceProvider
from pynetdicom.pdu_primitives import A_ABORT, A_ASSOCIATE, A_P_ABORT
from pynetdicom.transport import AssociationSocket

NAMES = [
    ("pynetdicom._config", "LOG_HANDLER_LEVEL", "server.py turns the library's own logging off"),
    ("pynetdicom._config", "LOG_REQUEST_IDENTIFIERS", "server.py keeps queries out of the log"),
    ("pynetdicom._config", "LOG_RESPONSE_IDENTIFIERS", "server.py keeps answers out of the log"),
    ("pynetdicom._globals", "MODE_ACCEPTOR", "association.py is an acceptor"),
    ("pynetdicom.pdu", "A_ASSOCIATE_RQ", "dicom_connection.py codes its request with it"),
    ("pynetdicom.pdu", "A_ASSOCIATE_AC", "dicom_connection.py reads the answer with it"),
    ("pynetdicom.pdu", "A_ASSOCIATE_RJ", "dicom_connection.py reads the answer with it"),
    ("pynetdicom.pdu", "P_DATA_TF", "upper_layer.py tells the machine of data that nobody expects"),
    ("pynetdicom.presentation", "AllStoragePresentationContexts", "catalogue.py takes its storage classes from it"),
    ("pydicom._uid_dict", "UID_dictionary", "catalogue.py takes the retired storage classes from it"),
]
METHODS = [
    (DULServiceProvider, "_decode_pdu", ["self", "bytestream"], "upper_layer.py decodes association PDUs with it"),
    (
        DULServiceProvider,
        "_process_recv_primitive",
        ["self"],
        "upper_layer.py turns a primitive into its event with it",
    ),
    (DULServiceProvider, "send_pdu", ["self", "primitive"], "upper_layer.py replaces it; ACSE calls it"),
    (DULServiceProvider, "peek_next_pdu", ["self"], "upper_layer.py looks for an abort with it"),
    (DULServiceProvider, "_send", ["self", "pdu"], "the machine sends by it, through our socket"),
    (AssociationSocket, "send", ["self", "bytestream"], "wire.py replaces it; the machine sends by it"),
    (AssociationSocket, "close", ["self"], "the machine closes by it; it must report Evt17"),
    (Association, "set_socket", ["self", "socket"], "association.py hands its wire over with it"),
]


def acceptor() -> tuple[Association, DULServiceProvider, socket.socket]:
    ours, theirs = socket.socketpair()
    association = Association(AE("BRIDGE"), MODE_ACCEPTOR)
    association.set_socket(AssociationSocket(association, client_socket=ours))
    return association, association.dul, theirs


@pytest.mark.parametrize(("module", "name", "use"), NAMES, ids=[name for _, name, _ in NAMES])
def test_a_module_still_has_the_name(module: str, name: str, use: str) -> None:
    assert hasattr(importlib.import_module(module), name), f"{module}.{name} is gone: {use}"


@pytest.mark.parametrize(("owner", "name", "parameters", "use"), METHODS, ids=[entry[1] for entry in METHODS])
def test_a_method_still_takes_the_same(owner: type, name: str, parameters: list[str], use: str) -> None:
    method: Callable[..., Any] | None = getattr(owner, name, None)
    assert method is not None, f"{owner.__name__}.{name} is gone: {use}"
    assert list(inspect.signature(method).parameters) == parameters, (
        f"{owner.__name__}.{name} takes something else: {use}"
    )


def test_the_provider_still_has_its_queues_and_its_flag() -> None:
    _, provider, _ = acceptor()
    for name in ("event_queue", "to_provider_queue", "to_user_queue", "_recv_pdu"):
        assert isinstance(getattr(provider, name), queue.Queue), f"upper_layer.py fills or empties {name}"
    assert provider._kill_thread is False, "upper_layer.py sees by _kill_thread that the machine has ended"


def test_an_association_can_be_made_without_starting_threads() -> None:
    before = threading.active_count()
    association, provider, _ = acceptor()
    assert threading.active_count() == before, "association.py carries an association in a thread of its own"
    assert not provider.is_alive()
    assert not association.is_alive()


def test_a_connected_socket_still_begins_with_event_5() -> None:
    _, provider, _ = acceptor()
    assert provider.event_queue.get_nowait() == "Evt5", "wire.py relies on the connection indication"
    provider.state_machine.do_action("Evt5")
    assert provider.state_machine.current_state == "Sta2", "upper_layer.py waits for a request in Sta2"


def test_closing_a_socket_still_reports_event_17() -> None:
    _, provider, _ = acceptor()
    provider.event_queue.get_nowait()
    assert provider.socket is not None
    provider.socket.close()
    assert provider.event_queue.get_nowait() == "Evt17", "linger relies on it to bring the machine to rest"


@pytest.mark.parametrize(
    ("event", "state", "action", "then"),
    [
        ("Evt6", "Sta2", "AE-6", "a request is put where take_request finds it"),
        ("Evt7", "Sta3", "AE-7", "an acceptance establishes"),
        ("Evt8", "Sta3", "AE-8", "a rejection awaits the close"),
        ("Evt9", "Sta6", "DT-1", "sending data changes no state, so send_data may pass the machine by"),
        ("Evt9", "Sta8", "AR-7", "sending data while a release is asked changes no state either"),
        ("Evt10", "Sta6", "DT-2", "receiving data changes no state, so next_data may return it"),
        ("Evt12", "Sta6", "AR-2", "a release request leads to Sta8"),
        ("Evt14", "Sta8", "AR-4", "its answer leads to Sta13"),
        ("Evt15", "Sta6", "AA-1", "our abort leads to Sta13"),
        ("Evt16", "Sta6", "AA-3", "the peer's abort ends it"),
        ("Evt17", "Sta6", "AA-4", "a lost connection ends it"),
        ("Evt19", "Sta2", "AA-1", "what is no request is aborted"),
        ("Evt19", "Sta6", "AA-8", "a broken protocol is aborted"),
        ("Evt17", "Sta13", "AR-5", "the close that was awaited ends it"),
    ],
)
def test_the_machine_still_moves_as_the_door_expects(event: str, state: str, action: str, then: str) -> None:
    assert fsm.TRANSITION_TABLE.get((event, state)) == action, f"{event} in {state} is not {action} any more: {then}"


def test_the_states_still_follow_their_actions() -> None:
    for action, state in {"AE-7": "Sta6", "DT-1": "Sta6", "DT-2": "Sta6", "AR-2": "Sta8", "AR-4": "Sta13"}.items():
        assert fsm.ACTIONS[action][2] == state, f"{action} does not lead to {state} any more"


def test_an_association_still_keeps_its_contexts_where_the_answer_is_built_from() -> None:
    association, _, _ = acceptor()
    assert association._accepted_cx == {}, "association.py puts the accepted contexts there for send_accept"
    assert association._rejected_cx == [], "association.py puts the rejected contexts there for send_accept"
    for name in ("send_accept", "send_reject", "send_abort", "send_release"):
        assert callable(getattr(association.acse, name, None)), f"association.py answers with acse.{name}"


def test_the_primitives_still_say_what_is_read_of_them() -> None:
    assert {"called_ae_title", "calling_ae_title", "application_context_name"} <= set(dir(A_ASSOCIATE))
    assert hasattr(A_ASSOCIATE, "presentation_context_definition_list")
    assert hasattr(A_ASSOCIATE, "presentation_context_definition_results_list")
    assert hasattr(A_ASSOCIATE, "maximum_length_received")
    assert hasattr(A_P_ABORT, "provider_reason")
    assert A_ABORT is not A_P_ABORT
