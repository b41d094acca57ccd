"""What is answered when a request cannot be done: the codes of S3, which its clients know."""

from http import HTTPStatus


class ObjectError(Exception):
    """A refusal.

    Args:
        code: as S3 names it, e.g. `NoSuchKey`.
        message: what is wrong, and what to do.
    """

    def __init__(self, status: HTTPStatus, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


def denied(message: str, code: str = "AccessDenied") -> ObjectError:
    """The caller may not do it."""
    return ObjectError(HTTPStatus.FORBIDDEN, code, message)


def invalid(message: str, code: str = "InvalidArgument") -> ObjectError:
    """The request says nothing that can be done."""
    return ObjectError(HTTPStatus.BAD_REQUEST, code, message)


def missing(key: str) -> ObjectError:
    """There is no object."""
    return ObjectError(
        HTTPStatus.NOT_FOUND, "NoSuchKey", f"There is no object {key!r}; was its run deleted?"
    )


def unsupported(what: str) -> ObjectError:
    """S3 has it and we have not."""
    return ObjectError(
        HTTPStatus.NOT_IMPLEMENTED, "NotImplemented", f"This endpoint has no {what}; do without it."
    )


def unmet(condition: str) -> ObjectError:
    """A condition of the request does not hold."""
    return ObjectError(
        HTTPStatus.PRECONDITION_FAILED,
        "PreconditionFailed",
        f"The condition {condition} does not hold for what is there now; nothing was changed.",
    )
