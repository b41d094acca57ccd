"""The XML of S3, in and out."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from flyte_server.blobs import Found
from flyte_server.services.objects import errors
from flyte_server.services.objects.errors import ObjectError

_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
_MOST_PARTS = 10_000
_MOST_KEYS = 1000


@dataclass(frozen=True, slots=True)
class Part:
    """A part of an upload in parts."""

    number: int
    etag: str
    size: int = 0
    changed_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Listing:
    """One page of a listing."""

    bucket: str
    prefix: str
    delimiter: str
    found: Sequence[Found]
    most: int
    start_after: str = ""
    token: str = ""
    next_token: str = ""
    """Empty: this is the last page."""
    is_encoded: bool = False
    """Whether keys are percent-encoded."""


def error(fault: ObjectError, resource: str) -> bytes:
    """The answer to what cannot be done."""
    root = Element("Error")
    _texts(root, Code=fault.code, Message=fault.message, Resource=resource)
    return _bytes(root)


def listing(page: Listing) -> bytes:
    """ListBucketResult."""

    def shown(key: str) -> str:
        return quote(key, safe="/-._~") if page.is_encoded else key

    root = _root("ListBucketResult")
    _texts(root, Name=page.bucket, Prefix=shown(page.prefix), Delimiter=shown(page.delimiter))
    _texts(root, MaxKeys=page.most, KeyCount=len(page.found), StartAfter=shown(page.start_after))
    _texts(root, EncodingType="url" if page.is_encoded else "", ContinuationToken=page.token)
    _texts(root, IsTruncated="true" if page.next_token else "false")
    _texts(root, NextContinuationToken=page.next_token)
    for each in page.found:
        if each.is_folder:
            _texts(SubElement(root, "CommonPrefixes"), Prefix=shown(each.name))
            continue
        content = SubElement(root, "Contents")
        _texts(content, Key=shown(each.name), LastModified=moment(each.changed_at), ETag=each.etag)
        _texts(content, Size=each.size, StorageClass="STANDARD")
    return _bytes(root)


def created(bucket: str, key: str, upload_id: str) -> bytes:
    """An upload in parts has begun."""
    root = _root("InitiateMultipartUploadResult")
    _texts(root, Bucket=bucket, Key=key, UploadId=upload_id)
    return _bytes(root)


def completed(bucket: str, key: str, etag: str) -> bytes:
    """An upload in parts has become an object."""
    root = _root("CompleteMultipartUploadResult")
    _texts(root, Location=f"/{bucket}/{key}", Bucket=bucket, Key=key, ETag=etag)
    return _bytes(root)


def parts(bucket: str, key: str, upload_id: str, found: Sequence[Part]) -> bytes:
    """What of an upload in parts has arrived."""
    root = _root("ListPartsResult")
    _texts(root, Bucket=bucket, Key=key, UploadId=upload_id, IsTruncated="false")
    for each in found:
        part = SubElement(root, "Part")
        _texts(part, PartNumber=each.number, ETag=each.etag, Size=each.size)
        _texts(part, LastModified=moment(each.changed_at))
    return _bytes(root)


def copied(etag: str, changed_at: float) -> bytes:
    """An object has been copied."""
    root = _root("CopyObjectResult")
    _texts(root, ETag=etag, LastModified=moment(changed_at))
    return _bytes(root)


def location() -> bytes:
    """Where the bucket is: nowhere in particular."""
    return _bytes(_root("LocationConstraint"))


def deleted(
    keys: Sequence[str], failed: Sequence[tuple[str, ObjectError]], *, quiet: bool
) -> bytes:
    """What became of many deletions."""
    root = _root("DeleteResult")
    for key in () if quiet else keys:
        _texts(SubElement(root, "Deleted"), Key=key)
    for key, fault in failed:
        _texts(SubElement(root, "Error"), Key=key, Code=fault.code, Message=fault.message)
    return _bytes(root)


def read_parts(body: bytes) -> list[Part]:
    """The parts that shall become an object.

    Raises:
        ObjectError: the document is malformed, or the parts are not in order.
    """
    found = [Part(_number(part), _text(part, "ETag")) for part in _children(_parsed(body), "Part")]
    numbers = [part.number for part in found]
    if not numbers or len(numbers) > _MOST_PARTS:
        raise _malformed(f"it has {len(numbers)} parts")
    if numbers != sorted(set(numbers)):
        raise errors.invalid("The parts are not in ascending order.", "InvalidPartOrder")
    return found


def read_keys(body: bytes) -> tuple[list[str], bool]:
    """Keys to delete, and whether only failures are of interest."""
    root = _parsed(body)
    keys = [_text(each, "Key") for each in _children(root, "Object")]
    if not keys or len(keys) > _MOST_KEYS:
        raise _malformed(f"it has {len(keys)} keys")
    return keys, _text(root, "Quiet") == "true"


def moment(seconds: float) -> str:
    """A time as S3 writes it."""
    at = datetime.fromtimestamp(seconds, UTC)
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


def _parsed(body: bytes) -> Element:
    if b"<!" in body:  # no document of S3 has a type or entities; those of others may be bombs
        raise _malformed("it has a declaration")
    try:
        return ElementTree.fromstring(body)
    except ElementTree.ParseError as fault:
        raise _malformed(str(fault)) from None


def _children(root: Element, name: str) -> list[Element]:
    return [each for each in root if _name(each) == name]


def _text(parent: Element, name: str) -> str:
    return next((each.text or "" for each in parent if _name(each) == name), "")


def _name(element: Element) -> str:
    """Clients send it with the namespace or without."""
    return element.tag.rpartition("}")[2]


def _number(part: Element) -> int:
    text = _text(part, "PartNumber")
    if not (text.isascii() and text.isdecimal() and 0 < int(text[:6]) <= _MOST_PARTS):
        raise _malformed(f"{text!r} is no number of a part")
    return int(text)


def _malformed(reason: str) -> ObjectError:
    return errors.invalid(f"The XML in the body cannot be used: {reason}.", "MalformedXML")


def _root(name: str) -> Element:
    return Element(name, {"xmlns": _NAMESPACE})


def _texts(parent: Element, **texts: str | int) -> None:
    for name, text in texts.items():
        if text != "":
            SubElement(parent, name).text = str(text)


def _bytes(root: Element) -> bytes:
    return ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
