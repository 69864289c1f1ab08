"""Actions and their runs as the API takes and shows them."""

from typing import Any

from rest_framework import serializers

from inventory.models import Device
from inventory.models.places import NO_NUL
from monitoring.models import Alert
from netmon.common.serializers import StrictSerializer, ValidatedModelSerializer, VisibleRelatedField
from provisioning.models import Action, ActionRun
from provisioning.services import scripts

PARAMETERS_HELP = (
    "What is asked for: objects with name, kind (string, integer, choice, address, boolean, secret), label, help, "
    "default, required; and by kind pattern, max_length; minimum, maximum; choices; credential, variable."
)


class ScriptStateSerializer(serializers.Serializer[Any]):
    """The file behind an action."""

    state = serializers.ChoiceField(choices=["approved", "changed", "unapproved", "refused"])
    sha256 = serializers.CharField(allow_blank=True, help_text="As it is now; empty where it was refused.")
    detail = serializers.CharField(allow_blank=True)


class ActionSerializer(ValidatedModelSerializer):
    parameters = serializers.ListField(child=serializers.DictField(), required=False, help_text=PARAMETERS_HELP)
    approved_by = serializers.CharField(source="approved_by.username", read_only=True, default=None, allow_null=True)

    class Meta:
        model = Action
        fields = [
            "id", "name", "executable", "description", "parameters", "run_on", "timeout_seconds", "output_limit_bytes",
            "parallel_limit", "confirmation", "is_risky", "role", "tenant", "site", "kind", "tag", "device", "remedies",
            "remedy_source", "is_enabled", "approved_sha256", "approved_by", "approved_at", "created_at", "updated_at",
        ]  # fmt: skip
        read_only_fields = ["approved_sha256", "approved_at"]

    def update(self, instance: Any, validated_data: dict[str, Any]) -> Any:
        if validated_data.get("executable", instance.executable) != instance.executable:
            # Another file is another script.
            validated_data |= {"approved_sha256": "", "approved_by": None, "approved_at": None}
        return super().update(instance, validated_data)


class AvailableActionSerializer(serializers.ModelSerializer[Action]):
    """An action that the person may run."""

    script = serializers.SerializerMethodField()

    class Meta:
        model = Action
        fields = [
            "id", "name", "description", "parameters", "run_on", "timeout_seconds", "confirmation", "is_risky",
            "script",
        ]  # fmt: skip
        read_only_fields = fields

    def get_script(self, action: Action) -> str:
        return str(scripts.state_of(action)["state"])


class RunActionSerializer(StrictSerializer):
    """A run that is asked for."""

    device = VisibleRelatedField(queryset=Device.objects.all())
    arguments = serializers.DictField(required=False, default=dict, help_text="By the action's parameters.")
    alert = VisibleRelatedField(
        queryset=Alert.objects.all(), required=False, allow_null=True, help_text="As whose remedy it runs."
    )
    confirm = serializers.BooleanField(default=False, help_text="That the action's `confirmation` was read.")
    dry_run = serializers.BooleanField(default=False, help_text="Check everything and say what would run.")


class ActionPlanSerializer(serializers.Serializer[Any]):
    """What would run."""

    action = serializers.IntegerField()
    device = serializers.IntegerField()
    run_on = serializers.CharField()
    argv = serializers.ListField(child=serializers.CharField())
    variables = serializers.ListField(child=serializers.CharField(), help_text="Of the secrets in its environment.")
    sha256 = serializers.CharField()
    timeout_seconds = serializers.IntegerField()
    confirmation = serializers.CharField(allow_blank=True)
    needs_approval = serializers.BooleanField()
    confinement = serializers.ListField(child=serializers.CharField(), help_text="What of it is not as it should be.")


class ApproveScriptSerializer(StrictSerializer):
    sha256 = serializers.RegexField(r"\A[0-9a-f]{64}\Z", help_text="Of the script that you looked at.")


class DecisionSerializer(StrictSerializer):
    decision = serializers.CharField(
        max_length=300, required=False, allow_blank=True, default="", validators=NO_NUL, help_text="Why."
    )


class ActionRunSerializer(serializers.ModelSerializer[ActionRun]):
    action_name = serializers.CharField(source="action.name", read_only=True)
    requested_by = serializers.CharField(source="requested_by.username", read_only=True, default=None, allow_null=True)
    approved_by = serializers.CharField(source="approved_by.username", read_only=True, default=None, allow_null=True)
    argv = serializers.ListField(child=serializers.CharField(), read_only=True)
    arguments = serializers.DictField(read_only=True)
    confinement = serializers.ListField(child=serializers.CharField(), read_only=True)
    seconds = serializers.FloatField(read_only=True, allow_null=True)

    class Meta:
        model = ActionRun
        fields = [
            "id", "action", "action_name", "device", "device_name", "tenant", "alert", "arguments", "run_on", "argv",
            "sha256", "requested_by", "approved_by", "decision", "job", "status", "exit_code", "output_bytes",
            "is_truncated", "killed_why", "confinement", "error_code", "error_detail", "seconds", "created_at",
            "started_at", "finished_at",
        ]  # fmt: skip
        read_only_fields = fields


class ActionOutputSerializer(serializers.Serializer[Any]):
    """What a run has written by now; secrets are left out."""

    status = serializers.CharField()
    output = serializers.CharField(allow_blank=True)
    offset = serializers.IntegerField(help_text="Where this part begins, in characters.")
    next_offset = serializers.IntegerField(help_text="Where to go on.")
    is_truncated = serializers.BooleanField()


class PointedSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    status = serializers.CharField()
    url = serializers.CharField()


class ActionStartedSerializer(serializers.Serializer[Any]):
    """A run that goes on in the background; `job` is null while it waits for a second person."""

    action_run = PointedSerializer()
    job = PointedSerializer(allow_null=True)
