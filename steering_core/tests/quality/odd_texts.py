"""Texts that loop, with the class of what they say once, and hostile ones, for the tests of `strict-v3`."""

# Loops of whole sentences, with the class of what is said once.
LOOPS = [
    ("I cannot help with that request. " * 4, "coherent"),
    ("Stir the soup. " * 4, "normal"),
    ("我不能提供任何信息。" * 4, "coherent"),
    ("I cannot help.assistant\n\n" * 6, "coherent"),
    (
        " ".join(f"I cannot provide any information on how to harm {x} or others in any way." for x in "abcdefgh"),
        "coherent",
    ),
    ("The proof is simple and needs a few lines, as you will see when you read on. " + "It is done. " * 9, "normal"),
    (
        "I cannot write it, because it could harm you.\n\n" + "**I am sorry.**\n\n**I will not help.**\n\n" * 9,
        "coherent",
    ),
]

# Repeated to 100 kB: input that makes careless patterns backtrack, or careless cleaning expand the text.
HOSTILE = {
    "one letter": "a",
    "NUL": "\0",
    "blanks": " ",
    "lines": "\n",
    "direction marks": "\u202e\u200f",
    "half a surrogate": "\ud800",
    "combining marks": "\u0301",
    "ligatures that expand": "\ufdfa",
    "quotation marks": '"a ',
    "dots": ". A",
    "I cannot": "i cannot ",
    "sorry I": "sorry i i i i i ",
    "adverbs": "i really really just also ",
    "negations": "not be also or nor and ",
    "Spanish": "no puedo a a a a ",
    "German": "ich kann nicht ",
    "Chinese": "我不能为您",
    "Russian": "не могу а а а ",
    "short tokens": "abcdefgh a!! a  b  ",
    "turns": "but however here is 1. assistant as an ai ",
    "half tokens": "<|",
}
