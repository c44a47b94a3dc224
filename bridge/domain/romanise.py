"""Latin readings of names in scripts that spell sounds: kana, hangul, Cyrillic, Greek. Never of kanji or hanzi.

A kanji name has several readings and a hanzi name many namesakes in pinyin, so those are compared only as written.
"""

from __future__ import annotations

_KANA = {
    "あ": "A", "い": "I", "う": "U", "え": "E", "お": "O",
    "か": "KA", "き": "KI", "く": "KU", "け": "KE", "こ": "KO",
    "が": "GA", "ぎ": "GI", "ぐ": "GU", "げ": "GE", "ご": "GO",
    "さ": "SA", "し": "SHI", "す": "SU", "せ": "SE", "そ": "SO",
    "ざ": "ZA", "じ": "JI", "ず": "ZU", "ぜ": "ZE", "ぞ": "ZO",
    "た": "TA", "ち": "CHI", "つ": "TSU", "て": "TE", "と": "TO",
    "だ": "DA", "ぢ": "JI", "づ": "ZU", "で": "DE", "ど": "DO",
    "な": "NA", "に": "NI", "ぬ": "NU", "ね": "NE", "の": "NO",
    "は": "HA", "ひ": "HI", "ふ": "FU", "へ": "HE", "ほ": "HO",
    "ば": "BA", "び": "BI", "ぶ": "BU", "べ": "BE", "ぼ": "BO",
    "ぱ": "PA", "ぴ": "PI", "ぷ": "PU", "ぺ": "PE", "ぽ": "PO",
    "ま": "MA", "み": "MI", "む": "MU", "め": "ME", "も": "MO",
    "や": "YA", "ゆ": "YU", "よ": "YO",
    "ら": "RA", "り": "RI", "る": "RU", "れ": "RE", "ろ": "RO",
    "わ": "WA", "ゐ": "I", "ゑ": "E", "を": "O", "ん": "N", "ゔ": "VU",
    "ぁ": "A", "ぃ": "I", "ぅ": "U", "ぇ": "E", "ぉ": "O",
}  # fmt: skip
_SMALL_Y = {"ゃ": "YA", "ゅ": "YU", "ょ": "YO"}
_DOUBLING, _LENGTHENING = "っ", "ー"

_CYRILLIC = {
    "А": "A", "Б": "B", "В": "V", "Г": "G", "Д": "D", "Е": "E", "Ё": "E", "Ж": "ZH", "З": "Z", "И": "I", "Й": "I",
    "К": "K", "Л": "L", "М": "M", "Н": "N", "О": "O", "П": "P", "Р": "R", "С": "S", "Т": "T", "У": "U", "Ф": "F",
    "Х": "KH", "Ц": "TS", "Ч": "CH", "Ш": "SH", "Щ": "SHCH", "Ъ": "", "Ы": "Y", "Ь": "", "Э": "E", "Ю": "YU",
    "Я": "YA", "І": "I", "Ї": "I", "Є": "YE", "Ґ": "G", "Ў": "U", "Ј": "J", "Љ": "LJ", "Њ": "NJ", "Ћ": "C",
    "Ђ": "DJ", "Џ": "DZ", "Ѓ": "GJ", "Ќ": "KJ", "Ѕ": "DZ",
}  # fmt: skip
_GREEK_PAIRS = {"ΟΥ": "OU", "ΑΥ": "AF", "ΕΥ": "EF", "ΜΠ": "B", "ΝΤ": "NT", "ΓΓ": "NG", "ΓΚ": "GK"}
_GREEK = {
    "Α": "A", "Β": "V", "Γ": "G", "Δ": "D", "Ε": "E", "Ζ": "Z", "Η": "I", "Θ": "TH", "Ι": "I", "Κ": "K", "Λ": "L",
    "Μ": "M", "Ν": "N", "Ξ": "X", "Ο": "O", "Π": "P", "Ρ": "R", "Σ": "S", "Τ": "T", "Υ": "Y", "Φ": "F", "Χ": "CH",
    "Ψ": "PS", "Ω": "O",
}  # fmt: skip

# Initials, vowels and finals in the order of the Unicode hangul block; Revised Romanization.
_HANGUL_FIRST = ["G", "KK", "N", "D", "TT", "R", "M", "B", "PP", "S", "SS", "", "J", "JJ", "CH", "K", "T", "P", "H"]
_HANGUL_VOWEL = [
    "A",
    "AE",
    "YA",
    "YAE",
    "EO",
    "E",
    "YEO",
    "YE",
    "O",
    "WA",
    "WAE",
    "OE",
    "YO",
    "U",
    "WO",
    "WE",
    "WI",
    "YU",
    "EU",
    "UI",
    "I",
]
_HANGUL_LAST = [
    "",
    "K",
    "K",
    "K",
    "N",
    "N",
    "N",
    "T",
    "L",
    "K",
    "M",
    "L",
    "L",
    "L",
    "P",
    "L",
    "M",
    "P",
    "P",
    "T",
    "T",
    "NG",
    "T",
    "T",
    "K",
    "T",
    "P",
    "T",
]
# How families spell themselves on passports; the rule-based spelling is tried as well.
_HANGUL_FAMILIES = {
    "김": "KIM", "이": "LEE", "박": "PARK", "최": "CHOI", "정": "JUNG", "강": "KANG", "조": "CHO", "윤": "YOON",
    "임": "LIM", "오": "OH", "신": "SHIN", "유": "YOO", "권": "KWON", "구": "KOO", "문": "MOON", "노": "ROH",
    "우": "WOO", "주": "JOO", "류": "RYU", "안": "AHN", "백": "PAIK", "허": "HUH",
}  # fmt: skip


def is_han(char: str) -> bool:
    """Say whether *char* is a kanji, hanzi or hanja, or the mark that repeats one."""
    code = ord(char)
    return 0x3400 <= code <= 0x9FFF or 0xF900 <= code <= 0xFAFF or 0x20000 <= code <= 0x3FFFF or char in "々〆"


def is_spelled_script(char: str) -> bool:
    """Say whether *char* belongs to a script that this file can romanise."""
    code = ord(char)
    return 0x3040 <= code <= 0x30FF or 0xAC00 <= code <= 0xD7A3 or 0x0370 <= code <= 0x03FF or 0x0400 <= code <= 0x052F


# How the same vowels are often written by hand: Jung, Hyun, Joon, Jiwoo.
_HANGUL_BY_HAND = {"EO": "U", "YEO": "YU", "U": "OO"}


def romanise(text: str) -> tuple[str, ...]:
    """
    Return the Latin readings of *text*, the most literal first; empty if it holds a character with no such reading.

    text: one name part, NFKC, upper case where its script has case, without accents that fold away.
    """
    if not text or any(is_han(char) for char in text):
        return ()
    readings = [_spell(text)]
    if any(_is_hangul(char) for char in text):
        readings.append("".join(_syllable(char, by_hand=True) if _is_hangul(char) else char for char in text))
    if text in _HANGUL_FAMILIES:
        readings.insert(0, _HANGUL_FAMILIES[text])
    return tuple(dict.fromkeys(readings))


def _spell(text: str) -> str:
    out: list[str] = []
    kana_doubled = False
    position = 0
    while position < len(text):
        pair = text[position : position + 2]
        if pair in _GREEK_PAIRS:
            out.append(_GREEK_PAIRS[pair])
            position += 2
            continue
        if pair == "ИЙ" and position + 2 == len(text):
            out.append("I")
            break
        char = _hiragana(text[position])
        position += 1
        if char == _DOUBLING:
            kana_doubled = True
        elif char in _SMALL_Y:
            _join_small_y(out, _SMALL_Y[char])
        elif char == _LENGTHENING:
            out.append(out[-1][-1:] if out else "")
        else:
            sound = _sound(char)
            out.append(sound[:1] + sound if kana_doubled else sound)
            kana_doubled = False
    return "".join(out)


def _hiragana(char: str) -> str:
    return chr(ord(char) - 0x60) if "ァ" <= char <= "ヴ" else char


def _join_small_y(out: list[str], sound: str) -> None:
    """Join a small ya, yu, yo to the syllable before it: ki + ya is kya, shi + ya is sha."""
    if not out or not out[-1].endswith("I"):
        out.append(sound)
        return
    head = out[-1][:-1]
    out[-1] = head + (sound[1:] if head.endswith(("SH", "CH", "J")) else sound)


def _is_hangul(char: str) -> bool:
    return "\uac00" <= char <= "\ud7a3"


def _syllable(char: str, *, by_hand: bool = False) -> str:
    first, rest = divmod(ord(char) - 0xAC00, 588)
    vowel, last = divmod(rest, 28)
    sound = _HANGUL_VOWEL[vowel]
    if by_hand:
        sound = _HANGUL_BY_HAND.get(sound, sound)
        if sound == "OO" and not _HANGUL_FIRST[first]:
            sound = "WOO"
    return _HANGUL_FIRST[first] + sound + _HANGUL_LAST[last]


def _sound(char: str) -> str:
    if _is_hangul(char):
        return _syllable(char)
    for table in (_KANA, _CYRILLIC, _GREEK):
        if char in table:
            return table[char]
    return char if char.isascii() else ""
