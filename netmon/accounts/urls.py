from django.urls import path

from netmon.accounts import views

urlpatterns = [
    path("login/", views.Login.as_view(), name="login"),
    path("login/code/", views.login_code, name="login-code"),
    path("logout/", views.Logout.as_view(), name="logout"),
    path("invite/<str:token>/", views.accept_invite, name="invite"),
    path("account/", views.account, name="account"),
    path("account/logout-everywhere/", views.logout_everywhere, name="account-logout-everywhere"),
    path("account/totp/", views.second_factor, name="account-totp"),
    path("account/keys/", views.api_keys, name="account-keys"),
    path("account/keys/<int:pk>/revoke/", views.revoke_key, name="account-key-revoke"),
    path("people/", views.people_list, name="people"),
    path("people/invite/", views.invite, name="people-invite"),
    path("people/<int:pk>/", views.person, name="person"),
    path("people/invites/<int:pk>/withdraw/", views.withdraw_invite, name="invite-withdraw"),
]
