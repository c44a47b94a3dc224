"""What settings say of those who are told over HTTP: whom subscriptions may reach, and webhooks."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr

from bridge.domain.endpoints import check_endpoint
from bridge.errors import BridgeError
from bridge.sections.section import Network, Section, each_once

TopicName = Literal["imagingstudy-available", "imagingstudy-changed", "order-status", "prior-auth-result"]


def _endpoint(value: str) -> str:
    try:
        check_endpoint(value, ("0.0.0.0/0", "::/0"))
    except BridgeError as fault:
        raise ValueError(fault.detail) from fault
    return value


class SubscriptionsSection(Section):
    """private: networks whose addresses a subscription may name though they are no public ones."""

    private: tuple[Network, ...] = ()


class Webhook(Section):
    """
    An address that is told of news as signed JSON. secret: what its signature is made with.

    events: of which topics. private: it lies in a network of ours.
    """

    name: str = Field(min_length=1)
    url: Annotated[str, AfterValidator(_endpoint)]
    secret: SecretStr = Field(min_length=16)
    events: tuple[TopicName, ...] = ("imagingstudy-changed",)
    private: bool = False
    timeout_secs: float = Field(default=10, gt=0, le=10)


def _each_once(value: tuple[Webhook, ...]) -> tuple[Webhook, ...]:
    return each_once(value, lambda one: one.name)


Webhooks = Annotated[tuple[Webhook, ...], AfterValidator(_each_once)]
