"""Another registry that answers PIX and PDQ over MLLP from a list of people. Source: IHE ITI TF-2 3.9, 3.21."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from tests.cast import Person
from tests.fakes.mllp_peer import Exchange


@dataclass(frozen=True)
class Known:
    """Somebody it knows. numbers: (number, authority), ours first."""

    person: Person
    numbers: tuple[tuple[str, str], ...]

    @property
    def pid(self) -> str:
        listed = "~".join(f"{number}^^^{authority}^MR" for number, authority in self.numbers)
        return f"PID|1||{listed}||{self.person.name}||{self.person.birth_date}|{self.person.sex}\r"


@dataclass
class PatientRegistry:
    """The registry; `script` is what a door plays. spoil: changes each answer before it leaves; it hangs on None."""

    people: list[Known] = field(default_factory=list)
    asked: list[list[str]] = field(default_factory=list)
    spoil: Callable[[bytes], bytes | None] = bytes

    def script(self, exchange: Exchange) -> None:
        """Answer one query."""
        segments = {line[:3]: line.split("|") for line in exchange.raw.decode().split("\r") if line}
        query = segments["QPD"]
        self.asked.append(query)
        event = segments["MSH"][8].split("^")[1]
        answer = self.spoil(self._answer(event, exchange.control_id, query).encode())
        if answer is None:
            exchange.ended.wait(30)
        else:
            exchange.say(answer)

    def _answer(self, event: str, control_id: str, query: list[str]) -> str:
        body, code, status = "", "AA", "OK"
        if event == "Q23":
            number, _, _, authority = (query[3].split("^") + [""] * 3)[:4]
            wanted = {one.split("^")[3].split("&")[0] for one in query[4].split("~")}
            found = self._with((number, authority.split("&")[0]))
            if not found:
                code, status, body = "AE", "AE", "ERR||QPD^1^3^1^1|204^Unknown key identifier^HL70357|E\r"
            listed = ["~".join(f"{n}^^^{a}^MR" for n, a in one.numbers if a in wanted) for one in found]
            pids = [f"PID|||{numbers}||^^^^^^S\r" for numbers in listed if numbers]
        else:
            said = dict(one.lstrip("@").split("^", 1) for one in query[3].split("~"))
            pids = [one.pid for one in self._asked_for(said)]
        status = "NF" if code == "AA" and not pids else status
        header = "MSH|^~\\&|MPI|SUMMIT|BRIDGE||20260302102031||RSP^K%s^RSP_K%s|R%s|P|2.5||||||UNICODE UTF-8\r"
        version = "23" if event == "Q23" else "22"
        head = header % (version, "23" if event == "Q23" else "21", control_id[:19])
        told = "" if code != "AA" else "".join(pids)
        return f"{head}MSA|{code}|{control_id}\r{body}QAK|{query[2]}|{status}\r{'|'.join(query)}\r{told}"

    def _asked_for(self, said: dict[str, str]) -> list[Known]:
        if "PID.3.1" in said:
            return self._with((said["PID.3.1"], said.get("PID.3.4.1", "")))
        name = f"{said.get('PID.5.1.1', '')}^{said.get('PID.5.2', '')}"
        return [
            one for one in self.people if one.person.name.startswith(name) and one.person.birth_date == said["PID.7"]
        ]

    def _with(self, number: tuple[str, str]) -> list[Known]:
        return [one for one in self.people if number in one.numbers]
