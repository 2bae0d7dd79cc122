from django.apps import AppConfig, apps
from django.contrib.admin import apps as admin_apps
from django.db.models.signals import post_migrate


class PromoPulseConfig(AppConfig):
    """The project as an app: commands that see every app, templates, static files."""

    name = "promopulse"
    default = True

    def ready(self) -> None:
        # Whoever publishes a task needs the configured application, the web server too.
        import promopulse.celery  # noqa: F401
        from promopulse.console import exports

        exports.register()
        from promopulse.lib.triggers import heed

        post_migrate.connect(heed, sender=apps.get_app_config("accounts"))


class ConsoleConfig(admin_apps.AdminConfig):
    """Django's admin with our site."""

    default = False
    default_site = "promopulse.console.site.Console"
