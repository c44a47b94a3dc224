"""Who may sign in, as what, and with which password: roles, scopes, permissions and the rule for passwords."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from bridge.domain import smart_scopes
from bridge.errors import Incomplete, Malformed

PASSWORD_MIN = 12
PASSWORD_MAX = 128
USER_NAME_MAX = 64


class Role(StrEnum):
    """What a person or a machine is here."""

    VIEWER = "viewer"
    TECHNOLOGIST = "technologist"
    INTAKE = "intake"
    BILLING = "billing"
    IT = "it"
    ADMIN = "admin"
    SYSTEM = "system"


class Permission(StrEnum):
    """What a route asks for. OPEN: nobody need sign in; SIGNED_IN: anybody who did."""

    OPEN = "open"
    SIGNED_IN = "signed_in"
    READ_EXAMS = "read_exams"
    READ_STUDIES = "read_studies"
    MOVE_EXAMS = "move_exams"
    SEND_STUDIES = "send_studies"
    READ_WORKLIST = "read_worklist"
    EXPLAIN_WORKLIST = "explain_worklist"
    DECIDE = "decide"
    ANSWER_QUESTIONS = "answer_questions"
    READ_FIGURES = "read_figures"
    TRY_RULES = "try_rules"
    READ_MESSAGES = "read_messages"
    READ_DELIVERIES = "read_deliveries"
    READ_PEERS = "read_peers"
    READ_METRICS = "read_metrics"
    BILL = "bill"
    ENTER_ORDERS = "enter_orders"
    SEND_HL7 = "send_hl7"
    READ_FHIR = "read_fhir"
    SUBSCRIBE = "subscribe"
    EXPORT = "export"
    READ_DICOMWEB = "read_dicomweb"
    STORE = "store"
    MAKE_LINKS = "make_links"
    READ_WORKITEMS = "read_workitems"
    PERFORM_WORKITEMS = "perform_workitems"
    READ_AUDIT = "read_audit"
    ADMINISTER = "administer"


class Scope(StrEnum):
    """What a `system` token may do; one without scopes may do all of it."""

    HL7 = "hl7"
    ORDERS = "orders"
    FHIR = "fhir"
    DICOMWEB = "dicomweb"
    STORE = "store"
    SUBSCRIBE = "subscribe"
    UPS = "ups"
    LINKS = "links"


# Narrows a token to one record's bound studies; what follows is the record's row.
PATIENT_SCOPE = "patient/"


_READS = frozenset(
    {
        Permission.READ_EXAMS,
        Permission.READ_STUDIES,
        Permission.READ_WORKLIST,
        Permission.READ_FHIR,
        Permission.READ_DICOMWEB,
        Permission.READ_WORKITEMS,
    }
)
_MAY: dict[Role, frozenset[Permission]] = {
    Role.VIEWER: _READS,
    Role.TECHNOLOGIST: _READS | {Permission.MOVE_EXAMS, Permission.ANSWER_QUESTIONS},
    Role.INTAKE: _READS
    | {
        Permission.DECIDE,
        Permission.ANSWER_QUESTIONS,
        Permission.READ_FIGURES,
        Permission.TRY_RULES,
        Permission.MOVE_EXAMS,
        Permission.ENTER_ORDERS,
        Permission.SEND_STUDIES,
    },
    Role.BILLING: _READS | {Permission.BILL},
    Role.IT: frozenset(
        {
            Permission.SEND_STUDIES,
            Permission.READ_STUDIES,
            Permission.READ_WORKLIST,
            Permission.READ_WORKITEMS,
            Permission.EXPLAIN_WORKLIST,
            Permission.READ_MESSAGES,
            Permission.READ_DELIVERIES,
            Permission.READ_PEERS,
            Permission.READ_METRICS,
            Permission.READ_FIGURES,
            Permission.TRY_RULES,
        }
    ),
    Role.ADMIN: frozenset(Permission),
    Role.SYSTEM: frozenset(
        {
            Permission.SEND_HL7,
            Permission.ENTER_ORDERS,
            Permission.READ_FHIR,
            Permission.SUBSCRIBE,
            Permission.EXPORT,
            Permission.READ_DICOMWEB,
            Permission.STORE,
            Permission.MAKE_LINKS,
            Permission.READ_WORKITEMS,
            Permission.PERFORM_WORKITEMS,
        }
    ),
}
_SCOPE_OF = {
    Permission.SEND_HL7: Scope.HL7,
    Permission.ENTER_ORDERS: Scope.ORDERS,
    Permission.READ_FHIR: Scope.FHIR,
    Permission.SUBSCRIBE: Scope.SUBSCRIBE,
    Permission.EXPORT: Scope.FHIR,
    Permission.READ_DICOMWEB: Scope.DICOMWEB,
    Permission.STORE: Scope.STORE,
    Permission.MAKE_LINKS: Scope.LINKS,
    Permission.READ_WORKITEMS: Scope.UPS,
    Permission.PERFORM_WORKITEMS: Scope.UPS,
}


# What scopes that speak of resources let in; which resources, the views ask. Source: SMART App Launch 2.2.
_SMART_OF = {
    Permission.READ_FHIR: (("", "r"), ("", "s")),
    Permission.EXPORT: (("", "r"),),
    Permission.SUBSCRIBE: (("Subscription", "c"), ("Subscription", "r")),
}


# What looks at the limit of a token for one patient; nothing else is reached with such a token.
_PER_PATIENT = frozenset({Permission.READ_DICOMWEB, Permission.READ_FHIR, Permission.EXPORT})


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who may sign in. has_password: False until a first sign-in link was used."""

    key: int
    name: str
    role: Role
    has_password: bool
    disabled: bool
    created_at: datetime | None = None
    changed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Token:
    """A machine's key as we keep it: never the token itself. ae_title: what it stores and performs counts as that peer's."""

    key: int
    name: str
    role: Role
    scopes: tuple[str, ...]
    ae_title: str = ""
    created_at: datetime | None = None
    ends_at: datetime | None = None
    revoked_at: datetime | None = None
    used_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Caller:
    """
    Whoever makes a request. name: "user:maria" or "token:ris", as audit rows say it. scopes: a token's, else empty.

    user_key, session_key: None for a token. is_person: may use the console. ae_title: the peer that a token acts as, "" for
    none. credential: what it came with, as `store.credentials` knows it: "token:5", "user:2".
    """

    name: str
    role: Role
    scopes: tuple[str, ...] = ()
    user_key: int | None = None
    session_key: int | None = None
    ae_title: str = ""
    credential: str = ""

    @property
    def is_person(self) -> bool:
        return self.user_key is not None

    @property
    def display_name(self) -> str:
        return self.name.partition(":")[2]

    @property
    def sees_unbound(self) -> bool:
        """Whether studies that nobody has bound yet are shown whole."""
        return self.role in (Role.INTAKE, Role.ADMIN)

    @property
    def only_patient_key(self) -> int | None:
        """The record whose bound studies are all that there is for this caller; None for no such limit."""
        return next((int(one.removeprefix(PATIENT_SCOPE)) for one in self.scopes if _is_record(one)), None)

    def may(self, permission: Permission) -> bool:
        """Say whether this caller may do what needs *permission*: its role, then its scopes."""
        if permission in (Permission.OPEN, Permission.SIGNED_IN):
            return True
        if permission not in _MAY[self.role]:
            return False
        scope = _SCOPE_OF.get(permission)
        scopes = [one for one in self.scopes if not _is_record(one)]
        if self.only_patient_key is not None:
            # One that says no more than whose it is reads images alone.
            scopes = scopes or [Scope.DICOMWEB]
            if permission not in _PER_PATIENT:
                return False
        if not scopes or (scope is not None and scope in scopes):
            return True
        wanted = _SMART_OF.get(permission)
        return wanted is not None and any(smart_scopes.grant_any(scopes, kind, action) for kind, action in wanted)

    def is_granted(self, resource_type: str, action: str) -> bool:
        """Say whether scopes that speak of resources, where there are such, grant *action* ("r", "s") with those of a type."""
        spoken = [one for one in self.scopes if smart_scopes.is_smart(one)]
        return not spoken or smart_scopes.grant(spoken, resource_type, action)


def _is_record(scope: str) -> bool:
    """Say whether a scope names the record that a token is limited to, rather than resources ("patient/Patient.rs")."""
    return scope.startswith(PATIENT_SCOPE) and scope.removeprefix(PATIENT_SCOPE).isdecimal()


# What guessing starts with, long enough to pass by length. Source: NIST SP 800-63B 5.1.1.2.
_GUESSED_FIRST = """
    password1234 password12345 password123456 passwordpassword passw0rd1234 1234567890123 123456789012 1234567891011
    111111111111 000000000000 qwertyuiop12 qwertyuiop123 qwerty123456 qwerty1234567 qwertyuiopasdf 1q2w3e4r5t6y
    1qaz2wsx3edc zaq12wsxcde3 abcdefghijkl abcd12345678 abcdefgh1234 letmein12345 iloveyou1234 administrator
    administrator1 admin1234567 adminadminadmin welcome12345 welcome123456 changeme1234 changemenow1 trustno11234
    sunshine1234 football1234 baseball1234 princess1234 superman1234 michael12345 dragondragon monkeymonkey
    correcthorsebatterystaple hospital1234 radiology123 radiology1234 clinic123456
    summer202412 winter202412 spring202412 autumn202412 temppassword temppass1234 testtesttest test12345678
    defaultpassword mypassword12 mypassword123 newpassword12 newpassword1 secretsecret secret123456 asdfghjkl123
"""
_COMMON = frozenset(_GUESSED_FIRST.split())


def check_user_name(name: str) -> str:
    """Return *name* trimmed. Raises: Incomplete, if empty; Malformed, if it is too long or holds control characters."""
    name = name.strip()
    if not name:
        raise Incomplete("a user needs a name", where="name")
    if len(name) > USER_NAME_MAX or not name.isprintable() or ":" in name:
        raise Malformed(f"a name has at most {USER_NAME_MAX} printable characters and no colon", where="name")
    return name


def check_password(password: str, *, context: tuple[str, ...] = ()) -> str:
    """
    Return *password* if it may be used: long enough, not a common one, not made of *context* (names of user and house).

    No rules about kinds of characters. Raises: Malformed. Source: NIST SP 800-63B 5.1.1.2.
    """
    if not PASSWORD_MIN <= len(password) <= PASSWORD_MAX:
        raise Malformed(
            f"a password has {PASSWORD_MIN} to {PASSWORD_MAX} characters", code="password", where="password"
        )
    plain = password.lower()
    bare = plain
    for word in sorted({w.lower() for phrase in (*context, "imaging bridge") for w in phrase.split()}, key=len)[::-1]:
        if len(word) > 2:
            bare = bare.replace(word, "")
    if plain in _COMMON or len(set(plain)) < 5 or len(bare) < PASSWORD_MIN // 2:
        raise Malformed("this password is too easy to guess", code="password", where="password")
    return password
