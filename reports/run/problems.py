"""Errors of libraries as ArtifactProblem: what was wrong, what the library says about it, what would be accepted."""

from collections.abc import Iterator
from contextlib import contextmanager
from json import JSONDecodeError

from pydantic import ValidationError

from reports.untrusted import plain
from steering_core.errors import ArtifactProblem


@contextmanager
def refusing(code: str, sentence: str, hint: str, *errors: type[Exception]) -> Iterator[None]:
    """Turn these errors into one ArtifactProblem; its sentence ends with what the error says."""
    try:
        yield
    except errors as error:
        raise ArtifactProblem(code, f"{sentence}: {describe(error)}", hint) from None


def describe(error: Exception) -> str:
    """An error as one phrase; of pydantic's errors only the first: which field, and what is wrong with it."""
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_input=False)[0]
        return plain(f"field {'.'.join(map(str, first['loc'])) or 'value'}: {first['msg']}", 160)
    if isinstance(error, JSONDecodeError):
        return f"{error.msg} at column {error.colno}"
    return plain(str(getattr(error, "strerror", None) or error), 160)
