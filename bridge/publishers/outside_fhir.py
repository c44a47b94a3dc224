"""A FHIR server that is asked who somebody is: by number, else by $match, of which only a certain match counts.

Source: FHIR R4 3.1.1 (search), Patient $match, StructureDefinition match-grade.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from bridge.codecs.fhir.patient_match import certain_matches, match_parameters
from bridge.codecs.fhir.references import SystemOf, holds, patient_identifier, token
from bridge.domain.identifiers import PatientIdentifier
from bridge.domain.outside import Found, Question
from bridge.errors import Conflict
from bridge.publishers.ehr_directory import live_patient
from bridge.publishers.fhir_client import FhirClient, Json
from bridge.publishers.fhir_client import Found as Resource


class FhirRegistry:
    """One server. read: whom a Patient is; matches: whether $match is asked where no number leads to anybody. Thread-safe."""

    def __init__(
        self,
        client: FhirClient,
        system_of: SystemOf,
        read: Callable[[Json], Found],
        *,
        matches: bool,
    ) -> None:
        self.name = client.name
        self._client = client
        self._system_of = system_of
        self._read = read
        self._matches = matches

    def ask(self, question: Question) -> tuple[Found, ...]:
        """
        Return the live patients that the server names for *question*: none, one, or more than one.

        Raises: Unavailable, if there was no answer; Malformed, Incomplete, Refused, Unsupported, Conflict, if it is of
        no use.
        """
        for number in question.numbers:
            found = self._holders(number)
            if found:
                return found
        if not self._matches or not question.names_a_person:
            return ()
        numbers = [patient_identifier(one, self._system_of) for one in question.numbers]
        answer = self._client.invoke("Patient/$match", match_parameters(question, numbers))
        certain = [Resource(one, "") for one in certain_matches(answer)]
        live = [one for each in certain if (one := live_patient(self._client, each)) is not None]
        matched = [self._read(one.resource) for one in live]
        return tuple({one.numbers: one for one in matched}.values())

    def _holders(self, number: PatientIdentifier) -> tuple[Found, ...]:
        """Return who really has *number*, past merges: a server may ignore what it was asked for."""
        identifier = patient_identifier(number, self._system_of)
        said = self._client.search("Patient", {"identifier": token(identifier)})
        holding = [one for one in said if holds(one.resource, identifier)]
        if said and not holding:
            raise Conflict("answered with another patient than was asked for", code="other_patient")
        live = {one.reference: one for each in holding if (one := live_patient(self._client, each)) is not None}
        return tuple(replace(self._read(one.resource), asked=(number,)) for one in live.values())
