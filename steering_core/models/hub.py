"""Checkpoints of the Hugging Face hub: found in this machine's cache, else downloaded before anything runs.

Only a model that the user named is ever downloaded, and the download is announced first. HF_HUB_OFFLINE is respected.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from fnmatch import fnmatch
from functools import partial
from pathlib import Path
from typing import Any

from steering_core.activity import activity
from steering_core.errors import LoadProblem, first_line

WEIGHTS = ("model*.safetensors", "model.safetensors.index.json")
SMALL = ("config.json", "generation_config.json", "tokenizer*", "chat_template.jinja", "special_tokens_map.json")
TIMEOUT = 10.0
"""Seconds to wait for the hub to describe a repository."""


def cached_folder(source: str, revision: str, patterns: tuple[str, ...] = SMALL + WEIGHTS) -> Path | None:
    """Where the hub's cache on this machine holds a repository at a revision, complete or not."""
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(source, revision=revision, allow_patterns=list(patterns), local_files_only=True))
    except Exception:  # an unknown revision, a malformed id, an unreadable cache: not there
        return None


def fetch(
    key: str, source: str, revision: str, announce: Callable[[str], None], patterns: tuple[str, ...] = SMALL + WEIGHTS
) -> Path:
    """Download the missing files of a repository; LoadProblem when that fails.

    announce: called once before the download, with one line that names the repository, its size and the hub.
    """
    from huggingface_hub import HfApi, is_offline_mode, snapshot_download

    if is_offline_mode():
        raise _problem(key, source, "is not in the Hugging Face cache of this machine, and HF_HUB_OFFLINE is set")
    try:
        api = HfApi()
        api.auth_check(source)
        info = api.model_info(source, revision=revision, files_metadata=True, timeout=TIMEOUT)
        announce(f"{key}: downloading {source}@{revision} ({_size(info)}) from {api.endpoint}")
        with _downloading(source, info, patterns):
            return Path(snapshot_download(source, revision=revision, allow_patterns=list(patterns)))
    except Exception as error:
        raise explained(key, source, revision, error) from None


@contextmanager
def _downloading(source: str, info: Any, patterns: tuple[str, ...]) -> Iterator[None]:
    """Meanwhile: how much of the files is in the cache, those of an earlier download included."""
    from huggingface_hub import constants
    from huggingface_hub.file_download import repo_folder_name
    from huggingface_hub.utils.tqdm import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    files = [file for file in info.siblings or [] if any(fnmatch(str(file.rfilename), pattern) for pattern in patterns)]
    blobs = Path(constants.HF_HUB_CACHE) / repo_folder_name(repo_id=source, repo_type="model") / "blobs"
    with activity(f"downloading {source}", sum(file.size or 0 for file in files), partial(bytes_in, blobs)):
        shown = not are_progress_bars_disabled()
        disable_progress_bars()
        try:
            yield
        finally:
            if shown:
                enable_progress_bars()


def bytes_in(folder: Path) -> int:
    """The bytes that the files of a folder take on the disk, also of those that are still being written."""
    total = 0
    for file in folder.glob("*"):
        with suppress(OSError):  # it has just been renamed
            total += file.stat().st_blocks * 512
    return total


def explained(key: str, source: str, revision: str, error: Exception) -> LoadProblem:
    """What a failed download means, and what can be done about it."""
    from huggingface_hub import errors

    if isinstance(error, errors.GatedRepoError):
        return _problem(key, source, "is gated", "accept the license on its page and log in with `hf auth login`")
    if isinstance(error, errors.RepositoryNotFoundError):
        return _problem(key, source, "does not exist, or is private", "correct the id, or log in with `hf auth login`")
    if isinstance(error, errors.RevisionNotFoundError):
        return _problem(key, source, f"has no revision {revision!r}", "a branch, a tag or a commit")
    reason = f"is not in the cache of this machine, and the hub cannot be reached: {first_line(error)}"
    return _problem(key, source, reason)


def _problem(key: str, source: str, reason: str, hint: str = "") -> LoadProblem:
    alternative = f"give --model-path {key}=DIR, or --random-weights"
    return LoadProblem(
        "no-checkpoint", f"{key}: {source} {reason}", f"{hint}; or {alternative}" if hint else alternative
    )


def _size(info: Any) -> str:
    files = [file for file in info.siblings or [] if str(file.rfilename).endswith(".safetensors")]
    return f"{sum(file.size or 0 for file in files) / 1e9:.1f} GB in {len(files)} files"
