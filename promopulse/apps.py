from django.apps import AppConfig


class PromoPulseConfig(AppConfig):
    """The project as an app: commands that see every app, templates, static files."""

    name = "promopulse"

    def ready(self) -> None:
        # Whoever publishes a task needs the configured application, the web server too.
        import promopulse.celery  # noqa: F401
