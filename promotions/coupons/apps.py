from django.apps import AppConfig


class CouponsConfig(AppConfig):
    name = "promotions.coupons"
    label = "coupons"

    def ready(self) -> None:
        from promotions.coupons.services import batch_jobs, distribution_jobs, upload_jobs

        batch_jobs.register()
        upload_jobs.register()
        distribution_jobs.register()
