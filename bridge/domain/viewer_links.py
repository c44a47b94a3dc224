"""Addresses that open images for a person: one function for each kind. None of them holds anything about a patient."""

from __future__ import annotations

from urllib.parse import quote

# What IHE calls the place that is asked to show images. Source: IHE RAD TF-2 4.106.4.1.2.
INVOKE_PATH = "/IHEInvokeImageDisplay"
OPEN_PATH = "/open"
LAUNCH_PATH = "/launch"
LAUNCH_CONSOLE_PATH = "/launch/console"
LAUNCHED_PATH = "/launch/done"


def invoke_address(public_url: str) -> str:
    """
    Return where images are asked for, without a query: what an Endpoint of the kind "ihe-iid" says.

    >>> invoke_address("https://bridge.example.org/")
    'https://bridge.example.org/IHEInvokeImageDisplay'
    """
    return f"{public_url.rstrip('/')}{INVOKE_PATH}"


def study_link(public_url: str, study_instance_uid: str) -> str:
    """
    Return what opens one study for whoever is signed in; it never runs out, so it may stand in a record.

    >>> study_link("https://bridge.example.org", "1.2.3")
    'https://bridge.example.org/IHEInvokeImageDisplay?requestType=STUDY&studyUID=1.2.3'
    """
    return f"{invoke_address(public_url)}?requestType=STUDY&studyUID={quote(study_instance_uid, safe='')}"


def open_link(public_url: str, secret: str) -> str:
    """Return what opens what a made link stands for, once and soon, without a sign-in: never kept in a record."""
    return f"{public_url.rstrip('/')}{OPEN_PATH}?link={quote(secret, safe='')}"


def launched_address(public_url: str, server: str) -> str:
    """
    Return where an EHR's authorization server sends the browser back to: the redirect URI that it is told.

    One for each EHR, so that no answer of one is taken for another's. server: its name in the settings. Source: RFC 9700 4.4.2.

    >>> launched_address("https://bridge.example.org/", "mercy")
    'https://bridge.example.org/launch/done/mercy'
    """
    return f"{public_url.rstrip('/')}{LAUNCHED_PATH}/{quote(server, safe='')}"
