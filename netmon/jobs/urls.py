from django.urls import path, re_path

from netmon.jobs import views

urlpatterns = [
    path("jobs/", views.job_list, name="jobs"),
    re_path(r"^jobs/(?P<pk>\d{1,18})/\Z", views.job_detail, name="job"),
    re_path(r"^jobs/(?P<pk>\d{1,18})/cancel/\Z", views.job_cancel, name="job-stop"),
]
