from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "netmon.accounts"
    label = "accounts"
    verbose_name = "People"
