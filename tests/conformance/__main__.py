"""`python -m tests.conformance`: write docs/hl7-conformance.md."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.conformance.code_tables import static_part
from tests.conformance.corpus_run import outcomes, send_corpus
from tests.conformance.corpus_table import corpus_part
from tests.conformance.document import MAPPINGS, PLACE, corpus_of, whole
from tests.conftest import CORPUS
from tests.product.running import Product


def main() -> int:
    if CORPUS.is_dir():
        corpus = _ask_product()
    else:
        sys.stderr.write("the corpus is not beside this checkout: what it answered before stays\n")
        corpus = corpus_of(PLACE.read_text("utf-8"))
    PLACE.write_text(whole(static_part(MAPPINGS), corpus), "utf-8")
    return 0


def _ask_product() -> str:
    with tempfile.TemporaryDirectory() as folder:
        product = Product(Path(folder), {"hl7": 'port = 0\nsenders = "any"'}).start("--roles", "hl7")
        try:
            sent = send_corpus(product, CORPUS)
        finally:
            product.stop()
        return corpus_part(sent, outcomes(product), MAPPINGS)


if __name__ == "__main__":
    sys.exit(main())
