"""How a file reaches the API: as the body, or as a part of a form."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO, Any

from rest_framework.exceptions import ValidationError
from rest_framework.parsers import BaseParser, MultiPartParser
from rest_framework.request import Request

from inventory.transfer import reading
from netmon.common.parsers import PayloadTooLarge


class _FileParser(BaseParser):
    """The body as it is, of bounded size."""

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        data: bytes = stream.read(reading.MAX_BYTES + 1)
        if len(data) > reading.MAX_BYTES:
            raise PayloadTooLarge(f"The file is larger than {reading.MAX_BYTES} bytes: cut it into parts.")
        return data


class CSVParser(_FileParser):
    media_type = "text/csv"


class JSONFileParser(_FileParser):
    media_type = "application/json"


FILE_PARSERS = [CSVParser, JSONFileParser, MultiPartParser]


@dataclass(frozen=True, slots=True)
class UploadedText:
    name: str
    text: str
    file_format: str


def uploaded_text(request: Request) -> UploadedText:
    """The file of a request. Raises ValidationError naming what is missing or unreadable."""
    asked = request.query_params.get("format")
    if asked not in (None, "", *reading.FORMATS):
        raise ValidationError({"format": "Write csv or json."}, code="invalid_parameter")
    name, guessed, data = "", "csv", request.data
    if isinstance(data, bytes):
        guessed = "json" if "json" in (request.content_type or "") else "csv"
    else:
        file = request.FILES.get("file")
        if file is None:
            raise ValidationError({"file": "Send a CSV or JSON file in the part `file`."}, code="required")
        name = file.name or ""
        guessed = "json" if name.lower().endswith(".json") else "csv"
        data = file.read()
    try:
        return UploadedText(name, reading.decode(data), asked or guessed)
    except reading.Unreadable as error:
        raise ValidationError({"file": f"line {error.fault.line}: {error}"}) from None
