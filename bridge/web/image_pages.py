"""One image, frame by frame, with the windows there are: the same on the console's pages and on a view's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from flask import render_template, request

from bridge.domain.study import Instance, Study
from bridge.pictures.wish import Picture, Wish
from bridge.store import objects
from bridge.store.listings import study_page
from bridge.web import picture_answers
from bridge.web.access import services
from bridge.web.picture_answers import THUMBNAIL

# Windows that people who read CT ask for by name: centre and width in Hounsfield units.
_CT_WINDOWS = (("Soft tissue", 40, 400), ("Lung", -600, 1500), ("Bone", 400, 1800), ("Brain", 40, 80))


@dataclass(frozen=True, slots=True)
class Ways:
    """Where a page of images leads: to an image or its picture by the instance's key, and to its study."""

    image: Callable[..., str]
    picture: Callable[..., str]
    study: str


@dataclass(frozen=True, slots=True)
class _Choice:
    """A window to choose. parameters: of the page's address; is_chosen: it is drawn with it."""

    words: str
    parameters: dict[str, object]
    is_chosen: bool


def show(study: Study, instance: Instance, ways: Ways, template: str, **more: object) -> str:
    """Return the page of an image of a study that may be seen. template: the page around it."""
    wish = picture_answers.wish_of(request.args)
    with services().store.read() as tx:
        beside = study_page.neighbours_of(tx, instance)
        is_here = instance.removed_at is None and not objects.damaged_names(tx, [instance.blob])
    small = Wish(frame=wish.frame, width=THUMBNAIL, height=THUMBNAIL, window=wish.window, preset=wish.preset)
    picture, reason = picture_answers.draw_instance(instance, small)
    return render_template(
        template,
        study=study,
        ways=ways,
        beside=beside,
        picture=picture,
        reason=reason,
        is_here=is_here,
        frame=picture.frame if picture is not None else 1,
        windows=_windows(picture, wish, beside.series.modality) if picture is not None else [],
        chosen=_chosen(wish),
        **more,
    )


def _windows(drawn: Picture, wish: Wish, modality: str) -> list[_Choice]:
    """Return the windows that can be chosen: the header's, then those that the modality's readers know."""
    has_own = wish.window is not None
    offered = [
        _Choice(
            one.explanation.capitalize() or ("Table" if not one.width else f"{one.center:g} / {one.width:g}"),
            {"preset": at},
            not has_own and wish.preset == at,
        )
        for at, one in enumerate(drawn.presets)
    ]
    if not offered and drawn.window is not None:
        offered = [_Choice("As received", {}, not has_own)]
    if modality != "CT" or drawn.window is None:
        return offered
    named = [
        _Choice(words, {"center": center, "width": width}, has_own and _is(wish, center, width))
        for words, center, width in _CT_WINDOWS
    ]
    return offered + named


def _is(wish: Wish, center: float, width: float) -> bool:
    return wish.window is not None and (wish.window.center, wish.window.width) == (center, width)


def _chosen(wish: Wish) -> dict[str, object]:
    """Return the parameters that keep the chosen window from frame to frame."""
    if wish.window is not None:
        return {"center": f"{wish.window.center:g}", "width": f"{wish.window.width:g}"}
    return {"preset": wish.preset} if wish.preset else {}
