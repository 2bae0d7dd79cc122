from django.apps import AppConfig


class CouponsConfig(AppConfig):
    name = "promotions.coupons"
    label = "coupons"
