"""The routes of the pages."""

from django.urls import path

from promopulse.shop import activity, coupons, offers, sessions, using

_COUPON = "my/coupons/<int:coupon_id>"

urlpatterns = [
    path("login", sessions.log_in, name="login"),
    path("logout", sessions.log_out, name="logout"),
    path("my", sessions.start, name="my"),
    path("my/coupons", coupons.mine, name="my_coupons"),
    path(f"{_COUPON}/act", using.act, name="my_act"),
    path(f"{_COUPON}/use", using.use, name="my_use"),
    path(f"{_COUPON}/qr", using.qr, name="my_qr"),
    path("my/offers", offers.mine, name="my_offers"),
    path("my/activity", activity.mine, name="my_activity"),
    path(
        "my/activity/subscriptions/<int:subscription_id>",
        activity.move_subscription,
        name="my_subscription",
    ),
]
