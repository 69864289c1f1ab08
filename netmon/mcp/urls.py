"""The address of the MCP door."""

from django.urls import path

from netmon.mcp.views import DoorView

urlpatterns = [path("mcp", DoorView.as_view(), name="mcp")]
