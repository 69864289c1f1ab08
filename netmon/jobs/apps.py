from django.apps import AppConfig


class JobsConfig(AppConfig):
    name = "netmon.jobs"
    label = "jobs"

    def ready(self) -> None:
        from netmon.common import schedules

        schedules.register(
            "Reconcile jobs",
            "netmon.jobs.tasks.reconcile_jobs",
            every_seconds=15,
            description="Send jobs again that nobody took, resume or close jobs whose worker is gone.",
        )
        schedules.register(
            "Forget old jobs",
            "netmon.jobs.tasks.prune_jobs",
            every_seconds=3600,
            description="Drop jobs that ended more than NETMON_JOBS_DAYS ago.",
        )
