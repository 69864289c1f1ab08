"""The search over configurations, over HTTP."""

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from monitoring.config_api import SECRET
from monitoring.config_serializers import ConfigVersionSerializer
from monitoring.device_views import bounds, brief, query
from monitoring.parameters import refuse
from monitoring.serializers import DeviceBriefSerializer
from monitoring.services import config_search
from netmon.common.filters import refuse_unknown
from netmon.common.pagination import bounded_int

TEXT = {"type": "string", "minLength": config_search.MIN_CHARS, "maxLength": config_search.MAX_CHARS}
ASKED = "A part of a line; letters of either case are the same."
MAX_LIMIT = 100


class ConfigLineSerializer(serializers.Serializer[Any]):
    number = serializers.IntegerField()
    text = serializers.CharField(allow_blank=True, help_text="At most 300 characters of it, the text among them.")
    spans = serializers.ListField(
        child=serializers.ListField(child=serializers.IntegerField()), help_text="[start, end) of what was looked for."
    )
    before = serializers.ListField(child=serializers.CharField(allow_blank=True))
    after = serializers.ListField(child=serializers.CharField(allow_blank=True))


class ConfigHitSerializer(serializers.Serializer[Any]):
    device = DeviceBriefSerializer()
    version = ConfigVersionSerializer()
    count = serializers.IntegerField(help_text="Lines that hold the text, of which `lines` are the first 5.")
    lines = ConfigLineSerializer(many=True)


class ConfigSearchSerializer(serializers.Serializer[Any]):
    """A piece of the search: a request opens 200 texts and 2 MB at most, and `next_offset` says where to go on."""

    q = serializers.CharField()
    total = serializers.IntegerField(help_text="Devices with a running configuration.")
    offset = serializers.IntegerField()
    searched = serializers.IntegerField(help_text="How many of them this request looked at.")
    unreadable = serializers.IntegerField(help_text="Of these, how many could not be read: their key is gone.")
    next_offset = serializers.IntegerField(allow_null=True, help_text="Where to go on; null: all were looked at.")
    results = ConfigHitSerializer(many=True)


class ConfigSearchView(APIView):
    """Which devices' running configuration holds a text, with secrets masked: what a mask hides, nobody finds."""

    @extend_schema(
        operation_id="config_search",
        parameters=[
            OpenApiParameter("q", TEXT, OpenApiParameter.QUERY, required=True, description=ASKED),
            query("limit", bounds(1, MAX_LIMIT), "At most so many devices (20)."),
            query("offset", bounds(0, 10_000_000), "`next_offset` of the answer before."),
        ],
        responses=ConfigSearchSerializer,
    )
    def get(self, request: Request) -> Response:
        refuse_unknown(request, {"q", "limit", "offset", "format"})
        text = request.query_params.get("q", "")
        if not config_search.MIN_CHARS <= len(text) <= config_search.MAX_CHARS or not text.strip():
            raise refuse("q", f"Write {config_search.MIN_CHARS} to {config_search.MAX_CHARS} characters of a line.")
        limit = bounded_int(request, "limit", minimum=1, maximum=MAX_LIMIT, default=20) or 20
        offset = bounded_int(request, "offset", minimum=0, maximum=10_000_000, default=0) or 0
        page = config_search.search(request.user, text, offset=offset, limit=limit)
        results = [
            {"device": brief(hit.version.device), "version": hit.version, "count": hit.count, "lines": hit.lines}
            for hit in page.hits
        ]
        names = ("total", "offset", "searched", "unreadable", "next_offset")
        body = {"q": text, **{name: getattr(page, name) for name in names}, "results": results}
        return Response(ConfigSearchSerializer(body).data, headers=SECRET)
