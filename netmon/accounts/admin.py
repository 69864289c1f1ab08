from django.contrib import admin
from django.contrib.auth.admin import UserAdmin

from netmon.accounts.models import User


@admin.register(User)
class NetmonUserAdmin(UserAdmin):
    list_display = ["username", "email", "role", "is_active", "is_staff", "last_login"]
    list_filter = ["role", "is_active", "is_staff"]
    fieldsets = (*(UserAdmin.fieldsets or ()), ("netmon", {"fields": ["role"]}))
    add_fieldsets = (*UserAdmin.add_fieldsets, ("netmon", {"fields": ["role"]}))
