"""What is still to come when the story ends, as a clinic without an order system would bring it: a day's list in a file."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

_HEADER = "MRN;Last name;First name;DOB;Sex;Exam;Modality;Device;Date;Time;Priority;Reason"
# Minutes from now, and the rest of the row.
_EXAMS = (
    (-25, "00041031;Abara;Chidi;1990-05-14;M;CT abdomen;CT;CT1", "ROUTINE;Pain in the right flank"),
    (10, "00041032;Lindqvist;Åsa;1971-11-02;F;CT head without contrast;CT;CT1", "STAT;Fell on the stairs"),
    (40, "00041033;Moreau;Camille;1985-07-23;F;MR lumbar spine;MR;MR1", "ROUTINE;Pain in the left leg"),
    (55, "00041034;Petrov;Ivan;1949-01-30;M;Chest PA and lateral;DX;DX1", "ROUTINE;Cough"),
    (75, "00041035;Sato;Hana;1996-09-09;F;US thyroid;US;US1", "ROUTINE;Swelling of the neck"),
    (95, "00041036;Whitlock;Grace;1962-03-17;F;Gastroscopy;ES;ENDO1", "ROUTINE;Heartburn"),
)


def write_list(folder: Path, now: datetime) -> Path:
    """Write the list of what is planned around *now*, by the clinic's clock, and return its file."""
    rows = [_HEADER]
    for minutes, who_and_what, why in _EXAMS:
        start = now + timedelta(minutes=minutes)
        start -= timedelta(minutes=start.minute % 5)
        rows.append(f"{who_and_what};{start:%Y-%m-%d};{start:%H:%M};{why}")
    target = folder / "afternoon.csv"
    target.write_text("\n".join(rows) + "\n", "utf-8")
    return target
