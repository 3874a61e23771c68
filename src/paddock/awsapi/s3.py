"""How requests for S3 are refused: Paddock has none, and S3's clients read errors in S3's own form of XML."""

from __future__ import annotations

from paddock.awsapi import xml
from paddock.awsapi.operations import NOT_BUILT_STATUS
from paddock.awsapi.replies import Reply, fault_status
from paddock.model.errors import ApiError

SIGNING_NAMES = frozenset({"s3", "s3express"})
_XML = ("Content-Type", "application/xml")
_TEXT = (
    "Paddock has no S3. Set AWS_ENDPOINT_URL_S3 to a store that speaks S3, or to https://s3.<region>.amazonaws.com, "
    "and start `paddock up` with the same (docs/how-to/layers.md); or give the code as a ZIP file"
)


def absent() -> ApiError:
    """With S3's own code for what a store does not do, and a status that no client retries or takes for `no bucket`."""
    return ApiError("NotImplemented", _TEXT, status=NOT_BUILT_STATUS)


class S3Errors:
    """S3's form: a bare `Error`, in no namespace and no frame; what asked for the head only gets the status alone."""

    def __init__(self, method: str) -> None:
        self._method = method

    def serialise_error(self, error: ApiError, request_id: str) -> Reply:
        said = {"Code": error.code, "Message": error.message, "RequestId": request_id}
        content = "".join(xml.text_element(name, text) for name, text in said.items())
        body = (
            b""
            if self._method == "HEAD"
            else (xml.DECLARATION + xml.element("Error", content)).encode("utf-8", "replace")
        )
        status = error.status if error.status is not None else fault_status(error)
        return Reply(status, [_XML, ("x-amz-request-id", request_id)], body)
