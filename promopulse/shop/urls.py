"""The routes of the pages."""

from django.urls import path

from promopulse.shop import activity, coupons, desk, entering, offers, pools, sessions, using

_COUPON = "my/coupons/<int:coupon_id>"
_BOOK = "desk/books/<int:book_id>"
_POOL = "desk/pools/<int:pool_id>"
_PERSONS = "desk/people/<int:user_id>/coupons"
_PERSONS_COUPON = f"{_PERSONS}/<int:coupon_id>"

urlpatterns = [
    path("login", sessions.log_in, name="login"),
    path("logout", sessions.log_out, name="logout"),
    path("my", sessions.start, name="my"),
    path("my/coupons", coupons.mine, name="my_coupons"),
    path("my/code", entering.enter, name="my_code"),
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
    path("desk/books", desk.books, name="desk_books"),
    path(_BOOK, desk.book, name="desk_book"),
    path(f"{_BOOK}/find", desk.find, name="desk_find"),
    path(f"{_BOOK}/people/<int:user_id>", desk.assign, name="desk_assign"),
    path("desk/pools", pools.pools, name="desk_pools"),
    path(_POOL, pools.pool, name="desk_pool"),
    path(f"{_POOL}/distribute", pools.distribute, name="desk_distribute"),
    path("desk/distributions/<int:distribution_id>/undo", pools.undo, name="desk_undo"),
    path(_PERSONS, coupons.of_person, name="desk_person_coupons"),
    path(f"{_PERSONS_COUPON}/act", using.act_for, name="desk_person_act"),
    path(f"{_PERSONS_COUPON}/use", using.use_for, name="desk_person_use"),
    path(f"{_PERSONS_COUPON}/qr", using.qr_for, name="desk_person_qr"),
]
