"""Checkpoints of the Hugging Face hub: found in the cache of this machine, else fetched before anything runs.

Only a model that was asked for by name is ever fetched, and it is said first. HF_HUB_OFFLINE is respected.
"""

import sys
from pathlib import Path
from typing import Any

from steering_core.errors import LoadProblem

WEIGHTS = ("model*.safetensors", "model.safetensors.index.json")
SMALL = ("config.json", "generation_config.json", "tokenizer*", "chat_template.jinja", "special_tokens_map.json")
TIMEOUT = 10.0


def cached_folder(source: str, revision: str, patterns: tuple[str, ...] = SMALL + WEIGHTS) -> Path | None:
    """Where the hub's cache on this machine holds a repository at a revision, complete or not."""
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(source, revision=revision, allow_patterns=list(patterns), local_files_only=True))
    except Exception:  # an unknown revision, a malformed id, an unreadable cache: not there
        return None


def fetch(key: str, source: str, revision: str, patterns: tuple[str, ...] = SMALL + WEIGHTS) -> Path:
    """Download what is missing of a repository, after saying so; LoadProblem when that cannot be."""
    from huggingface_hub import HfApi, is_offline_mode, snapshot_download

    if is_offline_mode():
        raise _problem(key, source, "is not in the Hugging Face cache of this machine, and HF_HUB_OFFLINE is set")
    try:
        api = HfApi()
        api.auth_check(source)
        info = api.model_info(source, revision=revision, files_metadata=True, timeout=TIMEOUT)
        sys.stderr.write(f"{key}: downloading {source}@{revision} ({_size(info)}) from {api.endpoint}\n")
        return Path(snapshot_download(source, revision=revision, allow_patterns=list(patterns)))
    except Exception as error:
        raise explained(key, source, revision, error) from None


def explained(key: str, source: str, revision: str, error: Exception) -> LoadProblem:
    """What a failed download means, and what can be done about it."""
    from huggingface_hub import errors

    if isinstance(error, errors.GatedRepoError):
        return _problem(key, source, "is gated", "accept the license on its page and log in with `hf auth login`")
    if isinstance(error, errors.RepositoryNotFoundError):
        return _problem(key, source, "does not exist, or is private", "correct the id, or log in with `hf auth login`")
    if isinstance(error, errors.RevisionNotFoundError):
        return _problem(key, source, f"has no revision {revision!r}", "a branch, a tag or a commit")
    first = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return _problem(key, source, f"is not in the cache of this machine, and the hub cannot be reached: {first[:120]}")


def _problem(key: str, source: str, words: str, hint: str = "") -> LoadProblem:
    elsewhere = f"give --model-path {key}=DIR, or --random-weights"
    return LoadProblem("no-checkpoint", f"{key}: {source} {words}", f"{hint}; or {elsewhere}" if hint else elsewhere)


def _size(info: Any) -> str:
    files = [file for file in info.siblings or [] if str(file.rfilename).endswith(".safetensors")]
    return f"{sum(file.size or 0 for file in files) / 1e9:.1f} GB in {len(files)} files"
