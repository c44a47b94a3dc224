"""Invented claims and what became of them, as a billing system, a clearinghouse and a payer would write them."""

from __future__ import annotations

from bridge.codecs.x12.claim_fragment import Fragment
from bridge.codecs.x12.segments import Segment
from bridge.codecs.x12.writer import Draft, write
from tests.unit.codecs.x12.payers import SENDING


def parsed(text: str) -> list[Segment]:
    """Return the segments of a text with one on each line."""
    return [Segment(line.strip()) for line in text.strip().splitlines()]


def file_of(name: str, version: str, text: str) -> bytes:
    """Return the file around one transaction, written with one segment on each line."""
    return write(SENDING, [Draft(name, version, tuple(parsed(text)))])


CLAIM = """
BHT*0019*00*CLV0001*20260311*0900*CH
NM1*41*2*CLEARVIEW IMAGING*****46*CLV01
PER*IC*BILLING OFFICE*TE*2075550100
NM1*40*2*EASTPLAN HEALTH*****46*EAST01
HL*1**20*1
NM1*85*2*CLEARVIEW IMAGING*****XX*1234567893
N3*12 HARBOR ST
N4*PORTLAND*ME*041010000
REF*EI*990000001
HL*2*1*22*0
SBR*P*18*******CI
NM1*IL*1*HALVORSEN*INGRID****MI*EP0041001
N3*3 PIER RD
N4*PORTLAND*ME*041010000
DMG*D8*19580312*F
NM1*PR*2*EASTPLAN HEALTH*****PI*EAST01
CLM*ACC17*650***22:B:1*Y*A*Y*Y
HI*BK:72210
LX*1
SV1*HC:72148:TC*650*UN*1***1
DTP*472*D8*20260310
"""

# Where each of our segments belongs among those of its loop. Source: 005010X222A1 2300, 2400.
_BEFORE: dict[str, dict[str, tuple[str, ...]]] = {
    "2300": {"PWK": ("HI",), "REF": ("HI",), "NTE": ("HI",)},
    "2400": {"PWK": ("DTP",), "REF": (), "NTE": ()},
}


def claim_with(*fragments: Fragment, service: Segment | None = None) -> bytes:
    """Return a whole 837P that took in *fragments*; service: instead of its own SV1."""
    segments = parsed(CLAIM)
    if service is not None:
        segments = [service if one.name == "SV1" else one for one in segments]
    for fragment in fragments:
        for segment in fragment.segments:
            follows = _BEFORE[fragment.place][segment.name]
            at = next((n for n, one in enumerate(segments) if one.name in follows), len(segments))
            segments.insert(at, segment)
    return write(SENDING, [Draft("837", "005010X222A1", tuple(segments))])


PAYMENT = """
BPR*I*770*C*ACH*CCP*01*999999992*DA*123456*1999999999**01*999988880*DA*98765*20260401
TRN*1*EFT0017*1999999999
REF*EV*CLV01
DTM*405*20260401
N1*PR*EASTPLAN HEALTH
N3*1 STATE ST
N4*AUGUSTA*ME*04330
REF*2U*EAST01
PER*BL*CLAIMS OFFICE*TE*2075550199
N1*PE*CLEARVIEW IMAGING*XX*1234567893
LX*1
CLP*ACC17*1*650*520*65*12*EP-CLM-1*11*1
CAS*PR*2*65
NM1*QC*1*HALVORSEN*INGRID****MI*EP0041001
REF*G1*EPAUTH001
DTM*232*20260310
SVC*HC:72148:TC*650*585**1
DTM*472*20260310
CAS*CO*45*65
REF*6R*LINE1
CLP*ACC18*1*900*0*0*12*EP-CLM-2*11*1
NM1*QC*1*OKAFOR*ADA****MI*EP0041005
SVC*HC:72158*900*0**1
DTM*472*20260311
CAS*CO*16*900
REF*6R*LINE1
LQ*HE*N706
LQ*HE*M31
CLP*ACC19*4*400*0**12*EP-CLM-3*11*1
CAS*CO*252*300**197*100
NM1*QC*1*OKAFOR*CHIDI****MI*EP0041006
MOA***N457
CLP*ACC20*1*500*250*50*12*EP-CLM-4*11*1
NM1*QC*1*HALVORSEN*NILS****MI*EP0041001
SVC*HC:73721*300*250**1
DTM*472*20260312
CAS*PR*3*50
SVC*HC:73721:59*200*0**1
DTM*472*20260312
CAS*CO*97*200
CLP*ACC21*22*-100*-50*0*12*EP-CLM-5*11*1
CAS*CO*45*-50
NM1*QC*1*HALVORSEN*INGRID****MI*EP0041001
PLB*1234567893*20261231*WO:EP-CLM-9*-50*L6*0
"""

ACKNOWLEDGED = """
BHT*0085*08*EPACK1*20260312*0700*TH
HL*1**20*1
NM1*PR*2*EASTPLAN HEALTH*****PI*EAST01
TRN*1*EPBATCH7
DTP*050*D8*20260311
DTP*009*D8*20260312
HL*2*1*21*1
NM1*41*2*CLEARVIEW IMAGING*****46*CLV01
TRN*2*CLV0001
STC*A1:19:PR*20260312*WQ*1550
QTY*90*1
QTY*AA*1
AMT*YU*650
AMT*YY*900
HL*3*2*19*1
NM1*85*2*CLEARVIEW IMAGING*****XX*1234567893
TRN*1*0
STC*A1:19:PR**WQ*1550
HL*4*3*PT
NM1*QC*1*HALVORSEN*INGRID****MI*EP0041001
TRN*2*ACC17
STC*A2:20*20260312*WQ*650
REF*1K*EP-CLM-1
DTP*472*D8*20260310
HL*5*3*PT
NM1*QC*1*OKAFOR*ADA****MI*EP0041005
TRN*2*ACC18
STC*A7:562:85*20260312*U*900******A6:21
DTP*472*D8*20260311
"""

ASKED = """
BHT*0085*08*EPRFAI1*20260315*0700*RQ
HL*1**20*1
NM1*PR*2*EASTPLAN HEALTH*****PI*EAST01
HL*2*1*21*1
NM1*41*2*CLEARVIEW IMAGING*****46*CLV01
HL*3*2*19*1
NM1*1P*2*CLEARVIEW IMAGING*****XX*1234567893
HL*4*3*PT
NM1*QC*1*HALVORSEN*INGRID****MI*EP0041001
TRN*1*EP-CTRL-77
STC*R4:18748-4::LOI*20260315**650
REF*1K*EP-CLM-1
REF*EJ*ACC17
DTP*472*D8*20260310
DTP*106*D8*20260430
PWK*RR*EL
SVC*HC:72148*650*****1
STC*R4:55113-5::LOI*20260315
REF*FJ*LINE1
DTP*472*D8*20260310
"""
