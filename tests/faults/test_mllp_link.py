"""Every way in which another system may answer late, wrongly, in pieces or not at all: no answer is credited twice."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from bridge.codecs.hl7.framing import wrap
from bridge.errors import Unavailable
from bridge.outbox.retry import DESTINATION_DOWN
from bridge.publishers.mllp_link import NO_ANSWER, MllpLink, MllpTarget
from bridge.safety import caller_context
from bridge.sections.section import ClientTls
from tests.fakes.mllp_peer import Exchange, Peer, Script, accept, ack, open_peer
from tests.faults.certificates import make_identity, server_context

Open = Callable[..., tuple[Peer, MllpLink]]
Identity = tuple[Path, Path]


def message(control_id: str) -> bytes:
    return f"MSH|^~\\&|B||RIS||20260302||ORM^O01|{control_id}|P|2.5.1\rPID|1\r".encode()


def wanted() -> None:
    """It still is."""


def ask(link: MllpLink, control_id: str) -> str:
    return link.exchange(message(control_id), control_id, wanted).code


def fault_of(link: MllpLink, control_id: str) -> Unavailable:
    with pytest.raises(Unavailable) as refused:
        ask(link, control_id)
    return refused.value


@pytest.fixture
def opened() -> Iterator[Open]:
    """Open a scripted door and a link to it."""
    with ExitStack() as stack:

        def make(script: Script = accept, timeout_secs: float = 5.0) -> tuple[Peer, MllpLink]:
            peer = stack.enter_context(open_peer(script))
            link = MllpLink(MllpTarget("127.0.0.1", peer.port, timeout_secs))
            stack.callback(link.close)
            return peer, link

        yield make


def test_many_messages_go_over_one_connection(opened: Open) -> None:
    peer, link = opened()
    assert [ask(link, f"C{n}") for n in range(20)] == ["AA"] * 20
    assert (peer.connections, peer.control_ids) == (1, [f"C{n}" for n in range(20)])


def test_several_threads_have_one_message_on_its_way_at_a_time(opened: Open) -> None:
    busy = threading.Lock()

    def answer(exchange: Exchange) -> None:
        assert busy.acquire(blocking=False)
        busy.release()
        accept(exchange)

    peer, link = opened(answer)
    threads = [threading.Thread(target=ask, args=(link, f"C{n}")) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert (peer.connections, sorted(peer.control_ids)) == (1, [f"C{n}" for n in range(8)])


@pytest.mark.parametrize("code", ["AA", "AE", "AR", "CA", "CE", "CR"])
def test_every_code_is_handed_on_as_it_came(opened: Open, code: str) -> None:
    _, link = opened(lambda exchange: exchange.say(ack(code, exchange.control_id)))
    assert ask(link, "C1") == code


def test_an_answer_in_single_bytes_is_one_answer(opened: Open) -> None:
    _, link = opened(lambda exchange: exchange.drip(wrap(ack("AA", exchange.control_id))))
    assert ask(link, "C1") == "AA"


def test_a_late_answer_is_never_taken_for_the_next_message_s(opened: Open) -> None:
    late = threading.Event()

    def answer(exchange: Exchange) -> None:
        if exchange.control_id == "C1":
            late.wait(10)
            exchange.say(ack("AA", "C1"))
        else:
            exchange.say(ack("AE", exchange.control_id))

    peer, link = opened(answer, timeout_secs=0.3)
    assert fault_of(link, "C1").code == NO_ANSWER
    late.set()
    assert ask(link, "C2") == "AE"
    assert peer.connections == 2


def test_an_answer_that_names_an_older_message_is_passed_over(opened: Open) -> None:
    def answer(exchange: Exchange) -> None:
        exchange.say(*(ack("AA", one) for one in exchange.earlier), ack("AE", exchange.control_id))

    peer, link = opened(answer)
    assert [ask(link, f"C{n}") for n in range(3)] == ["AE"] * 3
    assert peer.connections == 1


def test_an_answer_to_nobody_s_message_credits_nothing(opened: Open) -> None:
    _, link = opened(lambda exchange: exchange.say(ack("AA", "SOMEBODY")), timeout_secs=0.3)
    assert fault_of(link, "C1").detail == "no answer within 0.3 s"


def test_of_two_glued_answers_the_application_s_counts(opened: Open) -> None:
    _, link = opened(lambda one: one.say(ack("CA", one.control_id), ack("AE", one.control_id)))
    assert ask(link, "C1") == "AE"


def test_an_application_answer_after_its_accept_answer_disturbs_nothing(opened: Open) -> None:
    def answer(exchange: Exchange) -> None:
        exchange.say(ack("CA", exchange.control_id))
        exchange.say(ack("AA", exchange.control_id))

    peer, link = opened(answer)
    assert {ask(link, f"C{n}") for n in range(10)} <= {"CA", "AA"}
    assert peer.connections == 1


def test_block_answers_of_release_2_are_no_acknowledgment(opened: Open) -> None:
    _, link = opened(lambda one: one.say(b"\x06", ack("AA", one.control_id)))
    assert ask(link, "C1") == "AA"
    _, link = opened(lambda one: one.say(b"\x15"))
    assert "NAK" in fault_of(link, "C1").detail


def close(exchange: Exchange) -> None:
    exchange.wire.close()


def half(exchange: Exchange) -> None:
    exchange.wire.sendall(wrap(ack("AA", exchange.control_id))[:-2])
    exchange.wire.close()


def garbage(exchange: Exchange) -> None:
    exchange.wire.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


def framed_garbage(exchange: Exchange) -> None:
    exchange.say(b"thank you")


def cut_in_two(exchange: Exchange) -> None:
    exchange.wire.sendall(wrap(ack("AA", exchange.control_id)) + b"garbage")


def oversize(exchange: Exchange) -> None:
    exchange.wire.sendall(b"\x0b" + ack("AA", exchange.control_id) + b"Z" * 2_000_000)


def drip_for_ever(exchange: Exchange) -> None:
    exchange.wire.sendall(b"\x0b")
    while not exchange.ended.wait(0.01):
        exchange.wire.sendall(b"M")


def silent(exchange: Exchange) -> None:
    """Say nothing."""


@pytest.mark.parametrize(
    "script",
    [close, half, garbage, framed_garbage, cut_in_two, oversize, drip_for_ever, silent],
    ids=lambda s: s.__name__,
)
def test_what_is_no_answer_leaves_the_message_s_end_unknown_and_the_link_works_on(opened: Open, script: Script) -> None:
    def answer(exchange: Exchange) -> None:
        (script if exchange.number == 1 else accept)(exchange)

    peer, link = opened(answer, timeout_secs=0.5)
    assert fault_of(link, "C1").code == NO_ANSWER
    assert ask(link, "C1") == "AA"
    assert peer.connections == 2


def test_a_connection_that_ended_while_idle_is_opened_again_before_anything_is_sent(opened: Open) -> None:
    def answer(exchange: Exchange) -> None:
        accept(exchange)
        exchange.wire.shutdown(socket.SHUT_RDWR)

    peer, link = opened(answer)
    codes = []
    for number in range(3):
        codes.append(ask(link, f"C{number}"))
        seen = link._wire
        assert seen is not None
        seen.settimeout(5)
        assert seen.recv(1) == b""
    assert (codes, peer.control_ids, peer.connections) == (["AA"] * 3, ["C0", "C1", "C2"], 3)


def test_nobody_there_is_told_apart_from_no_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert fault_of(MllpLink(MllpTarget("127.0.0.1", port, 1)), "C1").code == DESTINATION_DOWN


def test_what_is_no_longer_wanted_is_not_sent(opened: Open) -> None:
    peer, link = opened()

    def unwanted() -> None:
        raise Unavailable("taken over", code="lease_lost")

    with pytest.raises(Unavailable) as refused:
        link.exchange(message("C1"), "C1", unwanted)
    assert refused.value.code == "lease_lost"
    assert ask(link, "C2") == "AA"
    assert peer.control_ids == ["C2"]


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return make_identity(tmp_path_factory.mktemp("tls"), "ris")


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return make_identity(tmp_path_factory.mktemp("tls"), "bridge")


def secure(port: int, tls: ClientTls) -> MllpLink:
    target = MllpTarget("127.0.0.1", port, 3.0, lambda: caller_context(tls), tls.server_name)
    return MllpLink(target)


def test_over_tls_both_sides_show_their_certificates(theirs: Identity, ours: Identity) -> None:
    with open_peer(tls=server_context(theirs, client_ca=ours[0])) as peer:
        link = secure(peer.port, ClientTls(ca=theirs[0], certificate=ours[0], key=ours[1]))
        assert [ask(link, "C1"), ask(link, "C2")] == ["AA", "AA"]
        assert peer.connections == 1
        link.close()


def test_a_certificate_of_nobody_we_know_ends_it_before_a_byte_is_sent(theirs: Identity, ours: Identity) -> None:
    with open_peer(tls=server_context(theirs)) as peer:
        fault = fault_of(secure(peer.port, ClientTls(ca=ours[0])), "C1")
        assert (fault.code, peer.received) == (DESTINATION_DOWN, [])
        assert "certificate was refused" in fault.detail


def test_a_certificate_for_another_name_ends_it_too(theirs: Identity) -> None:
    with open_peer(tls=server_context(theirs)) as peer:
        fault = fault_of(secure(peer.port, ClientTls(ca=theirs[0], server_name="ris.example.org")), "C1")
        assert (fault.code, peer.received) == (DESTINATION_DOWN, [])
        assert "certificate was refused" in fault.detail


def test_without_our_certificate_a_server_that_wants_one_gets_no_message_credited(
    theirs: Identity, ours: Identity
) -> None:
    with open_peer(tls=server_context(theirs, client_ca=ours[0])) as peer:
        link = secure(peer.port, ClientTls(ca=theirs[0]))
        assert fault_of(link, "C1").code in (NO_ANSWER, DESTINATION_DOWN)
        assert peer.received == []
        with pytest.raises(Unavailable):
            secure(peer.port, ClientTls(ca=theirs[0])).probe()


def test_a_server_that_speaks_no_tls_is_not_spoken_to_in_plain(theirs: Identity, opened: Open) -> None:
    peer, _ = opened(garbage)
    assert fault_of(secure(peer.port, ClientTls(ca=theirs[0])), "C1").code == DESTINATION_DOWN


def test_a_handshake_that_never_ends_costs_the_time_that_was_set(theirs: Identity) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        context = caller_context(ClientTls(ca=theirs[0]))
        link = MllpLink(MllpTarget("127.0.0.1", mute.getsockname()[1], 0.3, lambda: context))
        assert fault_of(link, "C1").code == DESTINATION_DOWN


def test_a_changed_certificate_file_is_taken_up_by_the_next_connection(tmp_path: Path, theirs: Identity) -> None:
    trusted = tmp_path / "ca.pem"
    trusted.write_bytes(make_identity(tmp_path, "old")[0].read_bytes())
    with open_peer(tls=server_context(theirs)) as peer:
        link = secure(peer.port, ClientTls(ca=trusted))
        assert fault_of(link, "C1").code == DESTINATION_DOWN
        trusted.write_bytes(theirs[0].read_bytes())
        assert ask(link, "C1") == "AA"
        link.close()


def test_a_missing_certificate_file_is_a_reason_to_try_later(theirs: Identity, tmp_path: Path) -> None:
    with open_peer(tls=server_context(theirs)) as peer:
        assert fault_of(secure(peer.port, ClientTls(ca=tmp_path / "none.pem")), "C1").code == DESTINATION_DOWN


def test_a_probe_connects_and_says_nothing(opened: Open) -> None:
    peer, link = opened()
    link.probe()
    assert peer.received == []


def test_a_door_that_hangs_up_at_once_is_no_door() -> None:
    def hang_up() -> None:
        wire, _ = rude.accept()
        wire.close()

    with socket.create_server(("127.0.0.1", 0)) as rude:
        threading.Thread(target=hang_up, daemon=True).start()
        with pytest.raises(Unavailable):
            MllpLink(MllpTarget("127.0.0.1", rude.getsockname()[1], 3)).probe()


def test_the_context_takes_no_old_protocol() -> None:
    assert caller_context(ClientTls()).minimum_version == ssl.TLSVersion.TLSv1_2
