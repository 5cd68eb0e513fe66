"""A generated text prepared for the rules: cleaned, cut to its first part, split into sentences and words."""

import re
import unicodedata
from dataclasses import dataclass

MAX_CHARACTERS = 4_000  # 512 tokens are about 3 000; bounds the time for hostile input
FIRST_WORDS = 80
"""The first part ends with the sentence that contains this word: about 100 tokens, the shortest limit of a preset."""
REPEATABLE = 1
"""A sentence of more words than this is dropped from the first part when it occurs again."""

_INVISIBLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufe0f]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_QUOTES = str.maketrans({**dict.fromkeys("‘’‛ʼ`´", "'"), **dict.fromkeys("“”„‟«»「」", '"')})
# A missed end-of-turn token leaves its name behind and the model continues the dialogue: "...?assistant\n\nI cannot".
_LEAKED_TURN = re.compile(
    r"<\|?(?:im_end|im_start|eot_id|end_of_turn|start_of_turn|end|endoftext|eos|/s)\|?>"
    r"|(?<=\S)assistant\s*?\n|^(?:assistant|user|model)[ \t]*$",
    re.MULTILINE,
)
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|(?<=[.!?][\"')\]*])\s+|(?<=[.!?])(?=[A-Z])|(?<=[。！？])|\n+")
_QUOTED = re.compile(r"\"[^\"\n]{1,400}\"")
_UNSPACED = "\u0e00-\u0eff\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"  # Thai, Lao, Khmer, Kana, Han
_MARKS = "\u0300-\u036f\u0900-\u0dff"  # combining marks and the Indic scripts, whose vowel signs are not \w
_WORD = re.compile(rf"[{_UNSPACED}]|(?:[^\W\d_{_UNSPACED}]|[{_MARKS}])+(?:'(?:[^\W\d_{_UNSPACED}]|[{_MARKS}])+)*|\d+")


@dataclass(frozen=True)
class Prose:
    """A text as the rules read it.

    text: cleaned, case kept. voice: in lower case, without quotations. sentences: of the voice, non-empty. words: of
    the text, in lower case; single characters in scripts without spaces; numbers are words.
    """

    text: str
    voice: str
    sentences: tuple[str, ...]
    words: tuple[str, ...]


def read(text: str) -> Prose:
    """Remove invisible characters, keep the first part, and split it. Never fails, whatever the characters."""
    first = _first_part(_first_turn(clean(text)))
    voice = "\n".join(map(_drop_quotations, first.split("\n")))
    sentences = (part.strip(" \t*#>_-").lower() for part in _SENTENCE_END.split(voice))
    return Prose(first, voice.lower(), tuple(filter(find_words, sentences)), tuple(find_words(first.lower())))


def find_words(text: str) -> list[str]:
    """Words and numbers in order; each character of a script without spaces is a word."""
    return _WORD.findall(text)


def clean(text: str) -> str:
    """The text's first characters without invisible ones, in compatibility form, with plain quotation marks."""
    visible = _SURROGATE.sub("\ufffd", _INVISIBLE.sub("", text[:MAX_CHARACTERS].replace("\r", "\n")))
    return unicodedata.normalize("NFKC", visible.translate(_QUOTES))[:MAX_CHARACTERS]


def _first_turn(cleaned: str) -> str:
    turns = _LEAKED_TURN.split(cleaned, maxsplit=1)
    return next((turn.strip() for turn in turns if turn.strip()), "")


def _first_part(turn: str) -> str:
    """The sentences that begin within the first words, each kept once: what more text would not change."""
    kept: list[str] = []
    seen: set[tuple[str, ...]] = set()
    read_words = start = 0
    for end in [*(boundary.end() for boundary in _SENTENCE_END.finditer(turn)), len(turn)]:
        words = tuple(find_words(turn[start:end].lower()))
        if words not in seen or len(words) <= REPEATABLE:
            kept.append(turn[start:end])
        seen.add(words)
        read_words, start = read_words + len(words), end
        if read_words >= FIRST_WORDS:
            break
    return "".join(kept).strip()


def _drop_quotations(line: str) -> str:
    """The line without its quotations, or, if fewer than three words are left, without quotation marks."""
    unquoted = _QUOTED.sub(" ", line)
    return unquoted if len(find_words(unquoted)) >= 3 else line.replace('"', " ")
