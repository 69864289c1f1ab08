"""Host keys of an SSH endpoint over HTTP."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.generics import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework.viewsets import GenericViewSet

from inventory import host_keys, known_hosts
from inventory.models import HostKey, ManagementEndpoint
from netmon.common.filters import refuse_unknown
from netmon.common.serializers import StrictSerializer
from netmon.drivers.targets import HostKey as DriverHostKey

FINGERPRINT = r"SHA256:[A-Za-z0-9+/]{43}"
LINE = r"^[ \t]*(ssh-ed25519|ecdsa-sha2-nistp(256|384|521)|ssh-rsa)[ \t]+[A-Za-z0-9+/]+={0,2}([ \t].*)?$"
_BY_FINGERPRINT = extend_schema(
    request=None,
    parameters=[
        OpenApiParameter("fingerprint", OpenApiTypes.STR, OpenApiParameter.PATH, pattern=f"^{FINGERPRINT}$"),
    ],
)


class HostKeySerializer(serializers.ModelSerializer[HostKey]):
    decided_by = serializers.CharField(source="decided_by.username", default=None, allow_null=True, read_only=True)
    known_hosts = serializers.CharField(source="known_hosts_line", read_only=True, help_text="A line of that file.")

    class Meta:
        model = HostKey
        fields = [
            "id", "endpoint", "key_type", "public_key", "fingerprint", "state", "reason", "known_hosts",
            "first_seen_at", "last_seen_at", "decided_by", "decided_at", "created_at",
        ]  # fmt: skip
        read_only_fields = fields


class EnteredHostKeySerializer(StrictSerializer):
    line = serializers.CharField(max_length=4096, help_text='"ssh-ed25519 AAAA...", as in a .pub file of /etc/ssh.')

    def validate_line(self, text: str) -> DriverHostKey:
        try:
            return DriverHostKey.parse(text)
        except ValueError as error:
            raise serializers.ValidationError(str(error).partition(": ")[2], code="invalid_key") from None


class HostKeysMixin(GenericViewSet[Any]):
    """`endpoints/{id}/host-keys/`: operators read, admins decide."""

    required_roles = {
        "host_keys": "operator", "enter_host_key": "admin", "approve_host_key": "admin", "revoke_host_key": "admin",
    }  # fmt: skip

    @extend_schema(responses=HostKeySerializer(many=True), filters=False)
    @action(detail=True, methods=["get"], url_path="host-keys", pagination_class=None)
    def host_keys(self, request: Request, pk: str) -> Response:
        """The keys that its server showed, newest first, and what was decided about them."""
        refuse_unknown(request, {"format"})
        return Response(HostKeySerializer(self._rows(), many=True).data)

    @extend_schema(request=EnteredHostKeySerializer, responses={201: HostKeySerializer})
    @host_keys.mapping.post
    def enter_host_key(self, request: Request, pk: str) -> Response:
        """Trust a key before it is seen, such as one read at the server's console."""
        serializer = EnteredHostKeySerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        row = host_keys.enter(self._endpoint(), serializer.validated_data["line"], user=request.user)
        return Response(HostKeySerializer(row).data, status=status.HTTP_201_CREATED)

    @_BY_FINGERPRINT
    @extend_schema(responses=HostKeySerializer)
    @action(detail=True, methods=["post"], url_path=f"host-keys/(?P<fingerprint>{FINGERPRINT})/approve")
    def approve_host_key(self, request: Request, pk: str, fingerprint: str) -> Response:
        """Believe this key from now on; the trusted one of the same type is revoked."""
        row = get_object_or_404(self._rows(), fingerprint=fingerprint)
        return Response(HostKeySerializer(host_keys.approve(row, user=request.user)).data)

    @_BY_FINGERPRINT
    @extend_schema(responses=HostKeySerializer)
    @action(detail=True, methods=["post"], url_path=f"host-keys/(?P<fingerprint>{FINGERPRINT})/revoke")
    def revoke_host_key(self, request: Request, pk: str, fingerprint: str) -> Response:
        """Believe this key no longer."""
        row = get_object_or_404(self._rows(), fingerprint=fingerprint)
        return Response(HostKeySerializer(host_keys.revoke(row, user=request.user)).data)

    def _endpoint(self) -> ManagementEndpoint:
        endpoint: ManagementEndpoint = self.get_object()
        return endpoint

    def _rows(self) -> Any:
        rows = HostKey.objects.filter(endpoint=self._endpoint())
        return rows.select_related("endpoint__device__primary_ip", "decided_by")


class ImportKnownHostsSerializer(StrictSerializer):
    text = serializers.CharField(
        max_length=known_hosts.MAX_CHARACTERS, trim_whitespace=False, help_text="The lines of a known_hosts file."
    )
    dry_run = serializers.BooleanField(default=False, help_text="Say what would be done, and do nothing.")


class KnownHostsCountsSerializer(serializers.Serializer[Any]):
    """How many of each: see `status` of the results."""

    imported = serializers.IntegerField()
    known = serializers.IntegerField()
    differs = serializers.IntegerField()
    revoked = serializers.IntegerField()
    unmatched = serializers.IntegerField()
    ambiguous = serializers.IntegerField()
    unsupported = serializers.IntegerField()
    invalid = serializers.IntegerField()


class KnownHostsResultSerializer(serializers.Serializer[Any]):
    """What became of a line at one endpoint."""

    line = serializers.IntegerField()
    host = serializers.CharField(help_text="As the line has it.")
    key_type = serializers.CharField(allow_blank=True)
    fingerprint = serializers.CharField(allow_blank=True)
    status = serializers.CharField(help_text=", ".join(known_hosts.STATUSES))
    detail = serializers.CharField()
    endpoint = serializers.IntegerField(allow_null=True)
    device = serializers.CharField(allow_blank=True, help_text="Its name.")


class ImportedKnownHostsSerializer(serializers.Serializer[Any]):
    dry_run = serializers.BooleanField()
    counts = KnownHostsCountsSerializer()
    results = KnownHostsResultSerializer(many=True)


class ImportKnownHostsView(APIView):
    """Host keys of many servers at once."""

    required_roles = {"write": "admin"}

    @extend_schema(request=ImportKnownHostsSerializer, responses=ImportedKnownHostsSerializer)
    def post(self, request: Request) -> Response:
        """Trust the keys of a known_hosts file at the SSH endpoints that it speaks of.

        Nothing that was decided is turned round: a key that differs from a trusted one, or that was revoked, is told
        and left alone.
        """
        asked = ImportKnownHostsSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        dry_run, rows = asked.validated_data["dry_run"], ManagementEndpoint.objects.visible_to(request.user)
        try:
            found = known_hosts.take(asked.validated_data["text"], user=request.user, rows=rows, dry_run=dry_run)
        except known_hosts.TooMuch as error:
            raise serializers.ValidationError({"text": str(error)}) from None
        return Response(known_hosts.report(found, dry_run=dry_run))
