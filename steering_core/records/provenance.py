"""Where a number came from: code, machine, weights. No entry is ever empty."""

import json
import platform
import re
import subprocess
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

from steering_core.activity import activity
from steering_core.places import IMPORTS, INSTALLED, ROOT

RANDOM_ORIGIN = "random weights"
"""The origin of weights that no checkpoint was read for."""
WHOLE = 1 << 30
"""Bytes up to which a file of weights is read whole."""
SAMPLE = 1 << 20
_ADDRESS = re.compile(r"(?P<scheme>https?|ssh|git)://(?:[^@/]*@)?(?P<rest>[^@\s?#]+)")
_SCP = re.compile(r"git@[\w.-]+:[\w./-]+")


@cache
def suite_source() -> dict[str, Any]:
    """Git commit, dirty flag and, if it has a public one, repository of the suite; or the digest of its source when it
    is not a checkout."""
    digest = source_digest()
    if INSTALLED:  # a commit found there would be that of the repository around the environment
        return {"commit": f"steering-parity {version('steering-parity')}", "dirty": False, "source_digest": digest}
    commit = _git("rev-parse", "HEAD")
    if not commit:
        return {"commit": f"source-{digest[:16]}", "dirty": True, "source_digest": digest}
    changed = _git("status", "--porcelain", "--", ".", ":!snapshots", ":!reports/runs")
    remote = public_remote(_git("config", "--get", "remote.origin.url"))
    known = {"repository": remote} if remote else {}
    return {"commit": commit, "dirty": bool(changed), "source_digest": digest, **known}


def public_remote(url: str) -> str:
    """A remote without the name and password that it may hold; "" for a folder of this machine, which says nothing
    elsewhere."""
    if match := _ADDRESS.fullmatch(url):
        return f"{match['scheme']}://{match['rest']}"
    return url if _SCP.fullmatch(url) else ""


@cache
def source_digest() -> str:
    """sha256 over the Python files that produce measurements."""
    digest = sha256()
    for file in sorted((IMPORTS / "steering_core").rglob("*.py")):
        if "tests" not in file.parts:
            digest.update(file.relative_to(IMPORTS).as_posix().encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


@cache
def environment() -> dict[str, Any]:
    """Versions and machine, once per process."""
    import torch  # here, because the digests are also needed where torch must not be loaded

    cuda = torch.cuda.is_available()
    return {
        **suite_source(),
        "python": platform.python_version(),
        "torch": version("torch"),
        "transformers": version("transformers"),
        "platform": platform.platform(),
        "processor": platform.processor() or platform.machine(),
        "gpu": torch.cuda.get_device_name(0) if cuda else None,
        "gpus": torch.cuda.device_count() if cuda else 0,
        "threads": torch.get_num_threads(),
    }


def weights_digest(folder: Path) -> str:
    """sha256 over a checkpoint's safetensors files; prefixed `sampled:` if any is over 1 GiB, which is read in 64 places."""
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        return "no weights"
    sizes = [file.stat().st_size for file in files]
    prefix, digests = "sampled:" if max(sizes) > WHOLE else "", []
    with activity(f"computing the digest of {folder.name}", sum(sizes)) as current:
        for file, size in zip(files, sizes, strict=True):
            digests.append(_file_digest(file))
            current.done += size
    return prefix + sha256(json.dumps(digests).encode()).hexdigest()


def _file_digest(file: Path) -> str:
    size = file.stat().st_size
    digest = sha256(str(size).encode())
    with file.open("rb") as stream:
        if size <= WHOLE:
            digest.update(stream.read())
        else:
            for index in range(64):
                stream.seek(index * (size - SAMPLE) // 63)
                digest.update(stream.read(SAMPLE))
    return digest.hexdigest()


def _git(*arguments: str) -> str:
    try:
        return subprocess.check_output(
            ["git", "-C", str(ROOT), *arguments], text=True, timeout=20, stderr=subprocess.DEVNULL
        ).strip()
    except (OSError, subprocess.SubprocessError):
        return ""
