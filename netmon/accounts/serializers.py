from rest_framework import serializers

from netmon.accounts.models import User
from netmon.common.serializers import StrictSerializer, ValidatedModelSerializer


class MeSerializer(ValidatedModelSerializer):
    class Meta:
        model = User
        fields = ["id", "username", "email", "first_name", "last_name", "role", "last_login", "date_joined"]
        read_only_fields = ["id", "username", "role", "last_login", "date_joined"]


class LogoutSerializer(StrictSerializer):
    refresh = serializers.CharField(max_length=4096, help_text="The refresh token that shall end.")
