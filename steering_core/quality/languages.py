"""Which language a text is in: by script, and for Latin script by its most common words."""

import re
from collections.abc import Sequence

SCRIPTS = {
    "latin": "a-zà-öø-ÿāăąćčďēęěğīįıķļłńňőœřśşšťūůűųźżžơưḁ-ỿ",
    "han": "\u3400-\u9fff\uf900-\ufaff",
    "kana": "\u3040-\u30ff",
    "hangul": "\uac00-\ud7a3\u1100-\u11ff",
    "cyrillic": "\u0400-\u04ff",
    "arabic": "\u0600-\u06ff",
    "devanagari": "\u0900-\u097f",
    "hebrew": "\u0590-\u05ff",
    "greek": "\u0370-\u03ff",
    "thai": "\u0e00-\u0e7f",
    "indic": "\u0980-\u0dff",
}
_SCRIPT = re.compile("|".join(f"(?P<{name}>[{letters}])" for name, letters in SCRIPTS.items()))
_LANGUAGES = {"han": "zh", "kana": "ja", "hangul": "ko", "cyrillic": "ru", "arabic": "ar", "devanagari": "hi"}
# Letters that Russian and Arabic do not have: Ukrainian, Belarusian, Serbian; Persian, Urdu.
_NOT_RUSSIAN, _NOT_ARABIC = re.compile(r"[іїєґўђћџљњј]|\b(?:можу|але|що|це|цим)\b"), re.compile("[پچژگکیٹڈڑے]")

COMMON_WORDS = {
    "en": "the a an and or of to in is are was were be been it its this that these those i you he she we they my your"
    " his her their our me him them us for with on at by from as not no but if so can will would could should do does"
    " did have has had what which who how when there here up out about into than then more some any all one also just",
    "es": "el la los las un una y o de del en es son por para con que no se su lo al como más pero este esta mi yo",
    "fr": "le la les un une et ou de du des en est sont pour avec que qui ne pas se ce cette il elle je vous au dans",
    "de": "der die das ein eine einen und oder von zu in ist sind für mit nicht sich auf dem den des ich sie es wie",
    "it": "il lo la i gli le un una e o di del della in è sono per con che non si questo questa mi ma come da al",
    "pt": "o a os as um uma e ou de do da em é são por para com que não se seu sua no na como mas este esta eu",
    "nl": "de het een en of van te in is zijn voor met niet dat die op ik je u dit deze er maar om aan ook",
    "pl": "i w na z do nie się jest że to o jak po dla są ale od tym przez który ten mogę lub czy",
    "tr": "ve bir bu için ile de da ne çok daha gibi olarak ben değil var olan en kadar ama sonra",
    "vi": "và là của không có được các một cho trong với tôi bạn này để những người khi như đã",
    "id": "yang dan di untuk dengan tidak ini itu dari pada dalam adalah saya anda akan atau bisa dapat ke juga",
    "sv": "och att det som en ett är på för med inte av jag den till har kan om du de",
    "cs": "a v na se je že to s z do pro jsou ale jako po jsem by tak které nebo",
    "ro": "și în de la cu pe nu este sunt un o care pentru din că să mai sau acest ca",
    "hu": "a az és egy nem hogy is van meg de ez mint vagy csak kell lehet nagyon azt",
    "fi": "ja on ei se että en hän joka mutta niin ovat kun myös voi tai ole kuin tämä olen",
    "tl": "ang ng sa na at ay mga hindi ko mo ito para kung siya ka rin niya ako lang may",
    "sw": "na ya wa kwa ni katika la za kama hii hiyo si au cha watu hapa yako yangu mimi wewe",
}
_COMMON = {name: frozenset(words.split()) for name, words in COMMON_WORDS.items()}
FUNCTION_WORDS = frozenset().union(*_COMMON.values())


def script_of(word: str) -> str | None:
    """The script of the word's first known letter; None for numbers and unknown scripts."""
    letter = _SCRIPT.search(word)
    return letter.lastgroup if letter else None


def identify_language(text: str, words: Sequence[str]) -> str | None:
    """A language code, or None if unknown. ASCII text that is short or has few known words (lists, code) is English."""
    words = [word for word in words if not word.isdigit()]
    if not words:
        return "en"
    scripts = [script_of(word) for word in words]
    main = max(dict.fromkeys(scripts), key=scripts.count)  # the first of equals: sets have no fixed order
    if main == "latin":
        return _identify_latin(words)
    if (main == "cyrillic" and _NOT_RUSSIAN.search(text)) or (main == "arabic" and _NOT_ARABIC.search(text)):
        return None
    if main == "han" and "kana" in scripts:
        return "ja"
    return _LANGUAGES.get(main or "")


def _identify_latin(words: Sequence[str]) -> str | None:
    hits = {name: sum(word in common for word in words) / len(words) for name, common in _COMMON.items()}
    hits["en"] *= 1.5  # "a", "to" and "in" are words of other languages too
    best = max(hits, key=hits.__getitem__)
    if hits[best] >= max(0.1, 2 / len(words)):
        return best
    foreign = sum(not word.isascii() for word in words) / len(words)
    return None if foreign >= 0.15 and len(words) >= 4 else "en"
