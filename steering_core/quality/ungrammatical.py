"""Clauses that no English sentence has: a word of the wrong class, a missing object, one clause run into another.

The patterns name function words, and the verbs and adjectives that answers use most. In 4 771 published answers
of models that were readable, they occurred in three, all of which stutter.
"""

import re

from steering_core.quality.slips import MODALS


def _any(words: str) -> str:
    return f"(?:{'|'.join(words.split())})"


_SUBJECT = "(?:I|[Yy]ou|[Hh]e|[Ss]he|[Ii]t|[Ww]e|[Tt]hey)"
_NOT_PARTICIPLE = _any(
    "indeed need feed speed seed breed exceed proceed succeed embed shed bleed weed heed bring sing ring cling fling"
    " spring sting string swing ping wing nothing something anything everything"
)
_BASE = _any("ask be choose eat keep learn provide tell write")
_ADJECTIVE = _any("able unable happy sorry illegal dangerous harmful")
_NOT_VERB = _any("a an the my your you me I of with for is are am question request something someone")
_FINITE = _any("is are was were am has had does did can will would should could must cannot can't won't")
_SOME = r"(?:some|any|every|no)(?:thing|one|body)"
_WRONG_CLASS = (
    rf"\b{_SUBJECT} (?:{MODALS}|won't) (?:not )?(?!{_NOT_PARTICIPLE}\b)[a-z]+(?:ed|ing)\b",
    r"(?:\bnot|cannot|n't) not\b|\b(?:is|are|was|were|am) not be\b|\bbe (?:at all )?be\b",
    r"\b(?:[Tt]hey|[Ww]e) (?:is|was|has|does|am)\b|\b(?:[Hh]e|[Ss]he) (?:am|are)\b",
    rf"\b(?:am|I'm|(?:[Yy]ou|[Ww]e|[Tt]hey) are|(?:[Ii]t|That|This) is) (?:not )?{_BASE}\b",
    rf"(?:\bI|(?:^|(?<=[.!?] ))(?:It|You|We|They)) (?:{_ADJECTIVE}|against)\b",
    rf"\b(?:unable|able|willing|happy|glad) to {_NOT_VERB}\b",
    rf"\b(?:to|with|for|about|from) (?!no){_SOME} (?:{_BASE}|harm|need|trust)\b",
    r"\b(?:with|of|about|against|from|into) (?:ask|choose|eat|learn|provide|cannot|can't|could)\b",
    rf"\b(?:is|was) {_ADJECTIVE} (?:and|or) (?:ask|be|get|harm|need|talk)\b",
    r"\b(?:me|him|us|them)'s\b",
    r"(?:\bnot|cannot|n't) (?:have|(?:provide|give|offer)(?: (?:you|me))?(?: with)?) (?:no|none|0\s?%)(?= )",
    rf"\b(?:do|does|did) (?:I|he|she|we|they) {_FINITE}\b|\b{_SUBJECT} (?:will|may|must) {_FINITE}\b",
    r"(?:^|(?<=[.!?] ))(?:It|He|She) (?:are|were|am|have|do|get|give|go|hurt|keep|make|need|take|tell|want)\b",
    r"\b(?:cannot|can't|won't) (?:with|for|from|request|question)\b",
)
"""A verb that does not fit its subject or its modal ("it can wanted"), or a word that is none ("able to the")."""
_INCOMPLETE = (
    r"\b(?:I|you|we|they) (?:do not|don't|cannot|can't|will not) (?:have|provide|support|know):",
    rf"\b{_SOME} (?:you|me|us|them|him|I|he|she|we|they)(?=[.!?])",
    r"(?<!to )(?<!you )\b[Pp]lease (?:safe|sorry|happy|question|request|something|people|is|are|was|am|can|could|of|I|he|she)\b",
)
"""A verb without its object, or a pronoun or "please" without a verb: "I do not have: this", "something you."."""
_REFLEXIVE = _any("let believe call excuse trust tell see hear love imagine")
_MYSELF = rf"\bI(?: (?:{MODALS}|don't|do not)|(?: am|'m) (?:unable|not able) to) (?!{_REFLEXIVE}\b)[a-z]+ me\b"
_LINKS = _any(
    "and or but nor if when because that which who what how why where as so than then until while since though although"
    " before after unless whether whatever all everything"
)
_CLAUSE_TWICE = (
    rf"\b((?:I|you|he|she|we|they|it) (?:am|are|is|'m|do|don't|{MODALS}) [a-z]+)\b"
    rf"(?:(?!\b{_LINKS}\b)[^.,:;!?()\n\"—-])* \1\b"
)
"""A clause that runs into itself: "I am happy to help with something I am happy"."""
_RUN_TWICE = r"\b((?i:[a-z][a-z']*(?:,? [a-z']+){3,9})) (?i:\1)\b"
"""Four to ten words, said twice at once: "please talk to need support, please talk to need support"."""
_IMPERATIVES = _any(
    "Add Ask Begin Boil Bring Build Buy Check Choose Clean Close Cook Create Cut Draw Drink Eat Fill Find Get Give Help"
    " Hold Increase Keep Learn Make Mix Move Open Plan Plant Practice Put Read Set Start Stir Take Tell Try Use Wash"
    " Write"
)
_PAST = _any("was were had began went came took gave knew wrote ate fell grew flew drew threw sang chose became")
_TWO_VERBS = rf"(?:^|(?<=[.!?:] )){_IMPERATIVES} (?:the|a|an|your|some) (?:(?!{_LINKS}\b)[a-z]+ ){{1,2}}{_PAST}\b"
"""A command with the verb of another sentence: "Clean the room began near the river"."""
_BROKEN = re.compile("|".join((*_WRONG_CLASS, *_INCOMPLETE, _MYSELF, _TWO_VERBS)))
_REPEATED = tuple(map(re.compile, (_CLAUSE_TWICE, _RUN_TWICE)))


def has_broken_clause(text: str) -> bool:
    """Whether English text (case kept) has a clause that is not English."""
    return any(pattern.search(text) for pattern in (_BROKEN, *_REPEATED))
