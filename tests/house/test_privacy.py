"""Logs, metrics and errors never carry patient data: what may be logged is decided here, by name."""

from __future__ import annotations

import ast
import re

from tests.house.tree import Source

LEVELS = {"debug", "info", "warning", "error", "exception", "critical", "bind"}
LOGGERS = re.compile(r"(^|\.|_)log(ger)?$")
EVENT = re.compile(r"[a-z][a-z0-9_]*$")
# A row's id is logged, never what the row says of a person.
PERSONAL = re.compile(
    r"(^|_)(patient|patient_name|patient_id|name|birth_date|sex|address|telephone|accession|accession_number|raw|text|"
    r"message|payload|body|query|path|url|control_id|draft|header|dataset|identifier|identifiers|study_instance_uid|"
    r"sop_instance_uid|series_instance_uid|number)$"
)
NOT_PERSONAL = {
    "app_name",
    "file_name",
    "peer_name",
    "server_name",
    "thread_name",
    "role_name",
    "line_number",
    "topic_name",
}


def log_calls(source: Source) -> list[ast.Call]:
    """Return every call of a logger, and of a function named _log in its stead."""
    calls = [node for node in ast.walk(source.tree) if isinstance(node, ast.Call)]
    stand_in = bool(passes_on(source))
    return [call for call in calls if is_logger(call) or (stand_in and ast.unparse(call.func).endswith("_log"))]


def is_logger(call: ast.Call) -> bool:
    owner, _, method = ast.unparse(call.func).rpartition(".")
    return method in LEVELS and bool(LOGGERS.search(owner))


def passes_on(source: Source) -> set[int]:
    """Return the lines of the logger calls inside _log functions: their event comes from callers, which are checked."""
    wrappers = [n for n in ast.walk(source.tree) if isinstance(n, ast.FunctionDef) and n.name == "_log"]
    return {n.lineno for w in wrappers for n in ast.walk(w) if isinstance(n, ast.Call) and is_logger(n)}


def test_an_event_has_a_name_that_never_varies(product: list[Source]) -> None:
    faults = []
    for source in product:
        inner = passes_on(source)
        for call in log_calls(source):
            if ast.unparse(call.func).endswith(".bind") or call.lineno in inner:
                continue
            texts = [a.value for a in call.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
            # A listener's kind of event, under the listener's own prefix.
            texts += [f"{a.values[0].value}kind" for a in call.args[:1] if ast.unparse(a).endswith("_{kind}'")]
            if not texts or not EVENT.match(texts[0]):
                faults.append(f"{source.name}:{call.lineno}: {ast.unparse(call)[:90]}")
    assert not faults, "\n".join(faults)


def test_no_log_field_is_named_for_patient_data(product: list[Source]) -> None:
    faults = [
        f"{source.name}:{call.lineno}: {field.arg}"
        for source in product
        for call in log_calls(source)
        for field in call.keywords
        if field.arg and PERSONAL.search(field.arg) and field.arg not in NOT_PERSONAL
    ]
    assert not faults, "\n".join(faults)


def test_no_metric_is_labelled_with_patient_data(product: list[Source]) -> None:
    faults = []
    for source in product:
        for node in ast.walk(source.tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in {
                "Counter",
                "Histogram",
                "Gauge",
            }:
                for label in (c.value for a in node.args[2:3] for c in ast.walk(a) if isinstance(c, ast.Constant)):
                    if isinstance(label, str) and PERSONAL.search(label):
                        faults.append(f"{source.name}:{node.lineno}: {label}")
    assert not faults, "\n".join(faults)


def test_no_error_detail_quotes_what_came_in(product: list[Source]) -> None:
    """A detail goes to peers and to logs; a value between quotes is how input gets into it."""
    personal_value = re.compile(r"(^|[._])(patient\w*|birth_date|accession_number|raw|payload|query|control_id)$")
    classes = {"Malformed", "Unsupported", "Incomplete", "Conflict", "Refused", "Unavailable"}
    faults = []
    for source in product:
        for node in ast.walk(source.tree):
            if not (isinstance(node, ast.Call) and ast.unparse(node.func) in classes and node.args):
                continue
            for part in ast.walk(node.args[0]):
                quoted = isinstance(part, ast.FormattedValue) and part.conversion == ord("r")
                personal = isinstance(part, ast.FormattedValue) and personal_value.search(ast.unparse(part.value))
                if quoted or personal:
                    faults.append(f"{source.name}:{node.lineno}: {ast.unparse(part)}")
    assert not faults, "\n".join(faults)
