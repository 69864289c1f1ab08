"""Target rules and the uses of credentials over HTTP."""

from typing import Any

from django.core.exceptions import ValidationError as ModelValidationError
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from inventory import policy as policies
from inventory.models import CredentialUse, TargetRule, Tenant
from netmon.common.filters import COMMON_PARAMETERS, FieldFilterSet, refuse_unknown
from netmon.common.serializers import StrictSerializer, ValidatedModelSerializer, VisibleRelatedField
from netmon.rest.viewsets import VisibleViewSet


class TargetRuleSerializer(ValidatedModelSerializer):
    class Meta:
        model = TargetRule
        fields = ["id", "tenant", "cidr", "action", "note", "created_at", "updated_at"]


class TargetRuleFilter(FieldFilterSet):
    class Meta(FieldFilterSet.Meta):
        model = TargetRule


class CheckTargetSerializer(StrictSerializer):
    address = serializers.CharField(max_length=255, help_text="An address or a name.")
    port = serializers.IntegerField(required=False, allow_null=True, min_value=1, max_value=65535)
    tenant = VisibleRelatedField(queryset=Tenant.objects.all(), required=False, allow_null=True)


class VerdictSerializer(serializers.Serializer[Any]):
    """What the policy says of one address; of a name, of each address that it has."""

    address = serializers.CharField()
    allowed = serializers.BooleanField()
    reason = serializers.CharField(allow_blank=True)
    rule = serializers.CharField(allow_blank=True, help_text="The rule that decided; empty when none speaks of it.")


class CheckedTargetSerializer(serializers.Serializer[Any]):
    address = serializers.CharField(help_text="As it was asked.")
    allowed = serializers.BooleanField()
    verdicts = VerdictSerializer(many=True)


class TargetRuleViewSet(VisibleViewSet):
    """Which addresses netmon may contact: admins write, operators read and ask."""

    model, queryset = TargetRule, TargetRule.objects.none()
    serializer_class = TargetRuleSerializer
    filterset_class = TargetRuleFilter
    ordering_fields = ["id", "cidr", "action", "created_at"]
    brief = {"id": "pk", "cidr": "cidr", "action": "action"}
    required_roles = {"read": "operator", "write": "admin", "check": "operator"}

    def get_queryset(self) -> Any:
        return TargetRule.objects.visible_to(self.request.user)

    @extend_schema(request=CheckTargetSerializer, responses=CheckedTargetSerializer)
    @action(detail=False, methods=["post"])
    def check(self, request: Request) -> Response:
        """Whether netmon may contact an address, and by which rule. Nothing is contacted; a name is resolved."""
        asked = CheckTargetSerializer(data=request.data, context=self.get_serializer_context())
        asked.is_valid(raise_exception=True)
        tenant, user = asked.validated_data.get("tenant"), request.user
        if tenant is None and getattr(user, "tenant_ids", None):
            raise serializers.ValidationError({"tenant": "Name one of your tenants."}, code="required")
        try:
            answer = policies.explain(
                asked.validated_data["address"],
                tenant_id=tenant.pk if tenant else None,
                port=asked.validated_data.get("port"),
            )
        except ModelValidationError as error:
            raise serializers.ValidationError({"address": error.messages}, code="invalid_address") from None
        return Response(answer)


class CredentialUseSerializer(serializers.Serializer[Any]):
    device = serializers.IntegerField(source="endpoint.device_id")
    device_name = serializers.CharField(source="endpoint.device.name")
    endpoint = serializers.IntegerField(source="endpoint_id")
    protocol = serializers.CharField(source="endpoint.protocol")
    first_used_at = serializers.DateTimeField()
    last_used_at = serializers.DateTimeField()
    last_ok_at = serializers.DateTimeField(allow_null=True)
    last_error_code = serializers.CharField(allow_blank=True)


class CredentialUsesMixin(GenericViewSet[Any]):
    """`credentials/{id}/usage/`."""

    @extend_schema(responses=CredentialUseSerializer(many=True), filters=False)
    @action(detail=True, methods=["get"], filterset_class=None, filter_backends=[])
    def usage(self, request: Request, pk: str) -> Response:
        """Where the credential was sent, the last use first."""
        refuse_unknown(request, COMMON_PARAMETERS)
        rows = CredentialUse.objects.visible_to(request.user).filter(credential=self.get_object())
        page = self.paginate_queryset(rows.select_related("endpoint__device"))
        return self.get_paginated_response(CredentialUseSerializer(page, many=True).data)
