"""An invented payer, an invented clinic and what they send each other in X12."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from bridge.codecs.x12.additional_information import (
    SUBMITTED,
    UNSOLICITED,
    AdditionalInformation,
    Answer,
    Document,
)
from bridge.codecs.x12.facts import (
    Code,
    Decision,
    Delivery,
    Evidence,
    Reference,
    Rejection,
    Review,
    Service,
    Trace,
    When,
)
from bridge.codecs.x12.parties import Address, Contact, Member, Party
from bridge.codecs.x12.prior_authorization import ANSWER, REQUEST, Event, Line, PriorAuthorization
from bridge.codecs.x12.writer import Sending

SENDING = Sending(("ZZ", "CLEARVIEW"), ("ZZ", "EASTPLAN"), 41, datetime(2026, 3, 2, 14, 5))
STUDY_UID = "1.2.826.0.1.3680043.8.498.11111111111111111111111111111111111111"

PAYER = Party("X3", "EASTPLAN HEALTH", qualifier="PI", number="EAST01")
CLINIC = Party(
    "1P",
    "CLEARVIEW IMAGING",
    qualifier="XX",
    number="1234567893",
    references=(Reference("EI", "990000001"),),
    address=Address(("12 HARBOR ST", "SUITE 4"), "PORTLAND", "ME", "04101"),
    contacts=(Contact("FRONT DESK", (("TE", "2075550100"), ("FX", "2075550101"))),),
    taxonomy=("PE", "261QR0200X"),
)
SUBSCRIBER = Member(
    Party("IL", "HALVORSEN", "INGRID", "M", is_person=True, qualifier="MI", number="EP0041001"), "19580312", "F", "18"
)
CHILD = Member(Party("QC", "HALVORSEN", "NILS", is_person=True), "20120704", "M", "19")
RADIOLOGIST = Party("SJ", "OKAFOR", "CHIDI", is_person=True, qualifier="XX", number="1098765432")
FILMS = Evidence("RB", "EL", "IMG20260302K7QX4", "MR LUMBAR SPINE KEY IMAGES")
REPORT = Evidence("RR", "EL", "IMG20260302K7QX5")

LUMBAR = Line(
    Service("72148", modifiers=("TC",), charge="650.00", unit="UN", quantity="1", pointers=("1", "2")),
    traces=(Trace("1", "CLV-72148-1", "9CLEARVIEW"),),
    review=Review("HS", "I", "62", ("22", "B"), level_of_service="U"),
    dates=(When("472", "20260310-20260324", "RD8"),),
    delivery=Delivery(("VS", "1")),
    evidence=(FILMS, REPORT),
    message="SIX WEEKS OF PHYSICAL THERAPY WITHOUT EFFECT",
    parties=(RADIOLOGIST,),
)
PELVIS = Line(Service("72195", unit="UN", quantity="2"), traces=(Trace("1", "CLV-72195-1", "9CLEARVIEW"),))

REQUESTED = PriorAuthorization(
    REQUEST,
    "CLV20260302001",
    "202603021405",
    PAYER,
    CLINIC,
    SUBSCRIBER,
    event=Event(
        Review("HS", "I", "62", ("22", "B"), ("OA",), "U"),
        (LUMBAR, PELVIS),
        traces=(Trace("1", "CLV-EVENT-1", "9CLEARVIEW"),),
        references=(Reference("BB", "OLD-AUTH-17"),),
        dates=(When("AAH", "20260310"),),
        diagnoses=(Code("ABK", "M545"), Code("ABF", "M5116", "D8", "20260120")),
        delivery=Delivery(("VS", "1")),
        evidence=(Evidence("B3", "EL", "IMG20260302K7QX6"),),
        message="REQUEST FOR ONE EXAM",
        parties=(Party("FA", "CLEARVIEW IMAGING", qualifier="XX", number="1234567893"),),
    ),
)

ANSWERED = PriorAuthorization(
    ANSWER,
    "CLV20260302001",
    "202603031000",
    PAYER,
    CLINIC,
    SUBSCRIBER,
    CHILD,
    Event(
        Review("HS", "I", "62"),
        (
            Line(
                Service("72148", unit="UN", quantity="1"),
                traces=(Trace("2", "CLV-72148-1", "9CLEARVIEW"), Trace("1", "EP-1", "9EASTPLAN0")),
                decision=Decision("A1", "EP-AUTH-001"),
                references=(Reference("BB", "EP-AUTH-001"),),
                dates=(When("472", "20260310-20260324", "RD8"),),
            ),
            Line(
                Service("72195", unit="UN", quantity="1"),
                traces=(Trace("2", "CLV-72195-1", "9CLEARVIEW"),),
                decision=Decision("A6", "EP-AUTH-002", ("36",)),
                message="ONE UNIT ONLY",
            ),
            Line(
                Service("72158", unit="UN", quantity="1"),
                decision=Decision("A4", "EP-TRACK-9", ("0U",)),
                asked_for=(Code("LOI", "18748-4"), Code("LOI", "11488-4")),
                evidence=(Evidence("RR", "EL", "EP-CTRL-77"),),
            ),
            Line(Service("70551"), rejections=(Rejection("33", "C"),)),
        ),
        traces=(Trace("2", "CLV-EVENT-1", "9CLEARVIEW"),),
        decision=Decision("A2", "EP-AUTH-000"),
        references=(Reference("NT", "EP-ADMIN-5"),),
        dates=(When("007", "20260310"), When("036", "20260408"), When("102", "20260303")),
        asked_for=(Code("LOI", "55113-5"),),
    ),
)
REFUSED = PriorAuthorization(
    ANSWER, "CLV20260302001", "202603031000", PAYER, CLINIC, rejections=(Rejection("42", "Y", "Y"),)
)

PACKET = b"%PDF-1.7 ~*:^\r\n\x00\xff~SE*1*0001~GE*1*1~IEA*1*000000041~%%EOF"
SENT = AdditionalInformation(
    UNSOLICITED,
    "CLV20260302002",
    "202603021405",
    replace(PAYER, role="PR"),
    replace(CLINIC, contacts=()),
    replace(SUBSCRIBER.party, role="QC", references=(Reference("EJ", "ACC-17"), Reference("G1", "EP-AUTH-001"))),
    (
        Answer(
            Trace("1", FILMS.control_number),
            (Document(PACKET, name="packet-1.pdf", form="IA"),),
            asked_for="55113-5",
            references=(Reference("6R", "LINE-1"),),
            dates=(When("472", "20260310"), When(SUBMITTED, "20260302")),
        ),
        Answer(
            Trace("1", "IMG20260302K7QX5"),
            (Document(b"<ClinicalDocument/>", "text/xml", "report.xml", "HL"), Document(b"a", "text/plain", "n", "TX")),
        ),
    ),
    submitter=Party("41", "CLEARVIEW IMAGING", qualifier="46", number="ETIN001"),
    dates=(When("472", "20260310-20260311", "RD8"),),
)
