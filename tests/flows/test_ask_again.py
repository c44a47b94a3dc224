"""A payer that has not decided is asked again by itself, where the settings say so, no faster than the guide allows."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from bridge.domain.authorization import AuthorizationStatus
from bridge.wiring import House
from tests.fakes.pas_payer import PasPayer
from tests.fakes.payer_scene import payer_scene


def test_what_is_pended_is_asked_again_no_faster_than_the_guide_allows(
    make_house: Callable[..., House], tmp_path: Path
) -> None:
    payer = PasPayer()
    payer.start()
    scene = payer_scene(make_house, tmp_path, {"base_url": payer.base_url, "timeout_secs": 60})
    payer.decision = "A4"
    scene.desk.ask(scene.key, "exam is scheduled", "user:bill")
    scene.send()
    for minutes, inquiries in ((1, 0), (5, 1), (2, 1), (4, 2)):
        scene.clock.at += timedelta(minutes=minutes)
        scene.send()
        scene.send()
        assert payer.inquiries == inquiries
    scene.clock.at += timedelta(hours=2)
    payer.decision = "A1"
    scene.send()
    scene.send()
    assert scene.one().status == AuthorizationStatus.APPROVED
    scene.clock.at += timedelta(hours=5)
    scene.send()
    assert payer.inquiries == 3
    payer.stop()
