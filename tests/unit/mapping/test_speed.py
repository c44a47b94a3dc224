"""Reading and mapping stay cheap: they share one core with the writer, and a burst is a thousand messages."""

from __future__ import annotations

import timeit

from bridge.codecs.hl7 import er7
from bridge.mapping.apply import apply
from tests.unit.mapping.senders import DEFAULTS, header, shipped

ORDER = "\r".join(
    (
        header("ORM^O01", charset="8859/1"),
        "PID|1||77^^^MERCY^MR~XX1^^^STATE^NI||DOE^JANE^Q^JR^DR^MD^L||19700101|F|||1 Way^^Town^ST^1^USA||555||EN|S||A1",
        "PV1|1|O|RAD^1^2^H||||1^ATT^A|2^REFERRER^ROB^^^DR|||||||||||V9^^^MERCY^VN" + "|" * 25 + "20260301080000",
        "AL1|1|DA^Drug allergy^HL70127|PENI^Penicillin^L|MO|Rash",
        "ORC|NW|P1^EHR|F1^RIS||SC||1^^^20260302093000^^S||20260301115900|2^CLERK^CARL||9^ORDERER^OLA|RAD^^^H|555",
        "OBR|1|P1^EHR|F1^RIS|CTCH^CT CHEST^L^71260^CT THORAX^C4|R||||||||Cough for weeks|||9^ORDERER^OLA|555|A1|RP1|SP1"
        "|CT1|||CT|||1^^^20260302093000^^R||||R05^Cough^I10|||3&TECH&TOM||20260302093000",
        "NTE|1|L|" + "Patient has had contrast before without reaction. " * 3,
        "NTE|2|L|" + "Please call the ward before transport. " * 4,
        "DG1|1||R05^Cough^I10||20260301|W",
        "OBX|1|NM|8302-2^Body height^LN||178|cm^cm^UCUM|||||F|||20260301080000",
        "ZDS|1.2.826.0.1.3680043.10.1338.50.1^EHR^Application^DICOM",
    )
).encode()


def test_an_order_costs_about_what_thirty_times_splitting_it_costs() -> None:
    # Against another figure of the same machine in the same second: absolute times say more of the neighbours.
    def split() -> None:
        [[field.split("^") for field in line.split("|")] for line in ORDER.decode().split("\r")]

    def read_and_map() -> None:
        apply(er7.parse(ORDER), shipped().base, DEFAULTS)

    read_and_map()
    splitting = min(timeit.repeat(split, number=50, repeat=9))
    mapping = min(timeit.repeat(read_and_map, number=50, repeat=9))

    assert mapping / splitting < 60
