"""The source of truth: what exists, where, under which address, and how to get in."""

from inventory.models.access import Credential, CredentialUse, ManagementEndpoint
from inventory.models.devices import Device, DeviceChildQuerySet, Interface, IPAddress
from inventory.models.hostkeys import HostKey, KnownServer
from inventory.models.places import Prefix, Site, Tag, TargetRule, Tenant, TenantMember
from inventory.models.topology import Dependency

__all__ = [
    "Credential",
    "CredentialUse",
    "Dependency",
    "Device",
    "DeviceChildQuerySet",
    "HostKey",
    "IPAddress",
    "Interface",
    "KnownServer",
    "ManagementEndpoint",
    "Prefix",
    "Site",
    "Tag",
    "TargetRule",
    "Tenant",
    "TenantMember",
]
