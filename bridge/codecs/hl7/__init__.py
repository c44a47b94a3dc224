"""HL7 v2: MLLP frames (`framing`), ER7 text (`er7`, `envelope`, `charset`, `escapes`), answers (`ack`), lint (`lint`).

Our own positional reader stands on the receive path: hl7apy takes 25 ms and more for a message that is read here in a
fraction of one, ignores MSH-18, loses Z segments, and a long date field stops the whole process in it. `lint` is the only
module that imports it.
"""
