"""`/api-auth/`: the browsable API's way in, under the names that DRF's templates use."""

from django.urls import path

from netmon.accounts import views

app_name = "rest_framework"
urlpatterns = [
    path("login/", views.Login.as_view(), name="login"),
    path("logout/", views.Logout.as_view(), name="logout"),
]
