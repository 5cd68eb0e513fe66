"""What a tokenizer does: its settings, special tokens, vocabulary size and the parts of its pipeline.

The padding and truncation that a call leaves in the Rust tokenizer are not covered: every call sets them anew.
"""

from typing import Any

ATTRIBUTES = (
    *("chat_template", "padding_side", "truncation_side", "model_max_length", "special_tokens_map"),
    *("clean_up_tokenization_spaces", "split_special_tokens", "add_bos_token", "add_eos_token"),
)
PARTS = ("normalizer", "pre_tokenizer", "post_processor", "decoder")


def tokenizer_state(tokenizer: Any) -> dict[str, Any]:
    """Setting -> its value, as text."""
    state: dict[str, Any] = {name: str(getattr(tokenizer, name, None)) for name in ATTRIBUTES}
    state["added tokens"] = (hash(repr(getattr(tokenizer, "added_tokens_decoder", None))),)
    state["length"] = len(tokenizer)
    backend = getattr(tokenizer, "backend_tokenizer", None)
    for name in PARTS if backend is not None else ():
        part = getattr(backend, name)
        state[name] = (hash(part.__getstate__()) if part is not None else 0,)
    return state
