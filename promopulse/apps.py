from django.apps import AppConfig


class PromoPulseConfig(AppConfig):
    """The project as an app: commands that see every app, templates, static files."""

    name = "promopulse"
