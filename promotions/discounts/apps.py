from django.apps import AppConfig


class DiscountsConfig(AppConfig):
    name = "promotions.discounts"
    label = "discounts"
