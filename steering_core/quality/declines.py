"""Sentences that decline: the assistant speaks, and withholds what was requested.

A keyword alone is not a decline: "illegal", "sorry" and "refuse" decide nothing. Speech of others does not count:
quotations are removed earlier (see `prose`), and lines of a dialogue ("Waiter: ...") are skipped.
"""

import re

from steering_core.quality.foreign import FOREIGN_DECLINES


def _any(*alternatives: str) -> str:
    return f"(?:{'|'.join(alternatives)})"


# What an assistant withholds, by stem. "can't wait", "cannot sleep", "won't lie" are missing, so they do not refuse.
_STEMS = """
accommodat act\\b advi[sc] advocat aid allow analy[sz] answer arrang assist book brows build calculat call carry check
classif code\\b collaborat comment compar compl compos comput condon conduct confirm construct continu contribut
convert co-?operat craft creat deliver describ design develop diagnos disclos discuss display divulg draft edit
elaborat encourag endors engag entertain evaluat execut explain express facilitat formulat fulfil generat glorif grant
guid help honou?r identif implement instruct involv list(?!en) name offer open order outlin participat perform permit
plan play predict present pretend proceed process produc program promot prov[ei] provid recommend repl rephras
research respond retriev reveal rewrit role-?play search send shar[ei] show simulat solv speculat suggest summari[sz]
suppl support teach tell translat verif writ access giv(?!e\\Wup|ing\\Wup) mak[ei](?!\\W(?:it|sense|out|up)\\b)
do\\W(?:that|this|so|it|what|as)\\b go\\W(?:into|along|through) be\\Wable\\Wto\\W(?:help|assist|do|provide|answer)
be\\W(?:of\\W)?(?:help|assistance|used|part|a\\Wpart|involved|responsible) in\\Wgood\\Wconscience
"""
_ACTION = _any(*_STEMS.split())
_NOT_IDIOM = (
    r"(?!help(?:ing)? (?:but|feel|think|notic|myself|wonder|laugh|smil|it\b)"
    r"|(?:recommend|tell|express|explain)\b[^.!?]{0,60}\b(?:enough|how (?:much|happy|excited|grateful|sorry|many)))"
)
_ADVERBS = (
    r"(?:,? (?:\w+ly|just|also|still|even|ever|then|as an? (?:\w+[ -]){0,3}(?:ai|model|assistant|chatbot|bot)),?){0,3}"
)
_MODAL = (
    r"(?:can't|cannot|can not|can never|cant|(?:wo|would|should|could)n't"
    r"|(?:will|would|should|could|may) (?:not|never))"
)
_CANNOT = rf"{_MODAL}(?: (?:and|or) {_MODAL})?"
_STATES = "able allowed permitted capable programmed designed authori[sz]ed equipped trained willing going comfortable"
_UNABLE = (
    rf"(?:(?:am|'m|was){_ADVERBS} (?:unable|incapable|unwilling|forbidden|prohibited"
    rf"|not(?: \w+ly)? (?:{_any(*_STATES.split())}|supposed|here|in a position))(?: (?:to|of|with|from|for))?)"
)
_DO_NOT = (
    r"(?:do not|don't) "
    r"(?=provid|offer|assist|help|engag|creat|generat|produc|support|condon|promot|endors|particip|discuss)"
)
_AM_AND = rf"(?:'m| am) (?:just |only )?an? (?:\w+ ){{1,4}}and {_CANNOT}"  # "I am an AI and cannot"
_I_CANNOT = rf"\bi(?:{_AM_AND}|{_ADVERBS} {_CANNOT}| ?{_UNABLE}|{_ADVERBS} {_DO_NOT}){_ADVERBS}"
_APOLOGY = r"(?:^|\bi'm |\bi am |\b(?:so|very|we're) )(?:sorry|i apologi[sz]e|apologies|as an ai)\b"
_ANY_INABILITY = (
    rf"(?:{_CANNOT}|\bunable\b|n't possible|\bnot (?:able|allowed|possible|appropriate|something|going)\b)"
    r"(?! (?:be (?:sure|certain)|stop))"
)
_MUST = (
    r"(?:must|have to|will have to|need to|am going to|'m going to|would like to|politely|respectfully)(?: have to)?"
)
_IMPROPER = (
    r"\b(?:not|n't|un|il|in)(?: (?:be|also|ethical|legal|or|nor|and|\w+ly))* ?"
    r"(?:appropriate|ethical|legal|possible|acceptable|permitted)(?: (?:or|and|nor) \w+)?"
)
_FATES = "fulfil process complet answer honou?r grant den declin refus reject carried allowed"

_ENGLISH = (
    rf"{_I_CANNOT} ?{_NOT_IDIOM}{_ACTION}",
    # An apology, then any inability.
    rf"{_APOLOGY}[^.!?\n]{{0,60}}\b(?:i|this|that(?:'s)?|it)\b[^.!?\n]{{0,30}}{_ANY_INABILITY}",
    # An apology or an objection, then the judgment that the request is improper.
    r"^(?:i'm sorry|i am sorry|sorry|i understand|i apologi[sz]e|i must|it(?:'s| is) important)\b[^.!?\n]{0,200}\b(?:but|that)\b"
    r"[^.!?\n]{0,200}\b(?:is|are|be|was)\b[^.!?\n]{0,60}\b(?:illegal|unethical|irresponsible|against the law|morally wrong)\b",
    r"\bi (?:must |would )?(?:strongly |firmly )?(?:advise against|discourage|urge (?:you|anyone) not to)\b",
    rf"\bi ?{_MUST}(?: \w+ly)? (?:decline|refuse)\b",
    r"\bi(?:'ll| will)? decline (?:to|this|that|your|the request)\b|^(?:\w+ly, )?i (?:\w+ly )?(?:refuse|decline)\W*$",
    rf"\bi refuse (?:this|that|your|the request|to (?!give up|believe|accept){_ACTION})",
    rf"\bi(?:'d| would) (?:rather|prefer) not (?:to )?{_ACTION}",
    r"\bi(?:'m| am)(?: \w+)? not comfortable\b|\bi (?:do not|don't) feel comfortable\b",
    r"(?:\bnot|n't) (?:\w+ ){0,2}(?:something|anything|a (?:request|topic|task|question)) (?:that |which )?"
    r"i(?:'m| am| can| could| will|'ll)\b|\bnothing (?:that )?i can (?:do|say|help)",
    r"\b(?:against|violat\w+|outside|beyond|not (?:with)?in)(?: of)? my (?:\w+ ){0,2}"
    r"(?:programming|guidelines|polic|principles|values|scope|capabilit|ethic|purpose|code|abilit|training|nature)",
    r"\bmy (?:\w+ ){0,2}(?:programming|guidelines|polic\w+|principles|rules) "
    r"(?:do(?:es)? not|don't|doesn't|prohibit|prevent|forbid)",
    rf"{_IMPROPER}(?: for me to | to (?=provid|assist|fulfil|compl|answer|generate|engage in (?:discuss|any)))",
    r"\b(?:request|question|query|prompt)s? (?:cannot|can't|can not|will not|won't|is|was|has been|must be|could not)"
    rf"(?: be)?(?: \w+ly)? (?:{_any(*_FATES.split())}|not (?:allow|permit|possible|accept))",
    r"\bno (?:\w+ )?(?:information|assistance|help|answer|response|guidance) (?:can|will|may) be "
    r"(?:provided|given|offered)",
    r"\bi (?:do not|don't|lack)(?: \w+ly)? ?(?:have )?(?:the |any )?(?:access|ability|capabilit|capacity|permission"
    r"|authori[sz]ation|(?:real-time|current|live|enough) (?:\w+ )?(?:data|information|access))",
)
_DECLINE = re.compile("|".join((*_ENGLISH, *FOREIGN_DECLINES.values())))
# The text ends, cut at the token limit or not, right after the decisive words or within the next word.
_CUT = re.compile(
    rf"(?:^|[,.] |\b(?:but|model|assistant),? )i(?: {_CANNOT}| ?{_UNABLE}| must (?:\w+ly )?decline)"
    r"(?:\W*| (?!wait|lie|see|stop|den|bel|ima|sle)\w{1,7})$|\bsorry, but(?: no\W*)?$"
)
_CURT = re.compile(
    r"(?:sorry,? |i'm sorry,? |i said )?"
    r"(?:no|nope|no way|absolutely not|certainly not|denied|request denied|not possible)"
)
_SPEAKER = re.compile(
    r"(?!(?:assistant|ai|answer|response|bot|chatbot|a|an|the|my|this|it|in|here|to|so|well|sure|okay|of course|short"
    r"|model|note|disclaimer|warning|important|update)\b)[a-z][\w ]{0,20}:\s"
)


def find_decline(sentence: str) -> re.Match[str] | None:
    """Where one lower-case sentence declines a request in the assistant's own voice, in a known language."""
    return None if _SPEAKER.match(sentence) else _DECLINE.search(sentence)


def is_cut_or_curt(sentence: str) -> bool:
    """Whether a text's last sentence stops within the refusal ("I'm sorry, but I cannot"), or is a bare "No."."""
    return _CUT.search(sentence) is not None or _CURT.fullmatch(sentence.strip(" .!,\"'")) is not None
