from django.contrib.admin.apps import AdminConfig


class NetmonAdminConfig(AdminConfig):
    default_site = "netmon.accounts.sites.NetmonAdminSite"
