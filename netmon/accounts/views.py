"""The session login page."""

from django.contrib.auth.views import LoginView, LogoutView


class Login(LoginView):
    template_name = "accounts/login.html"
    redirect_authenticated_user = True


class Logout(LogoutView):
    pass
