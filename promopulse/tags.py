"""What each part of the API is about, as `/docs` and `/redoc` say it above its routes."""

_ABOUT = {
    "index": "Where to begin.",
    "auth": "Register, log in and out, one's own account; keys for services.",
    "users": "People of every role, and their coupons. E-mail and phone are masked for most.",
    "customers": "Users with the role customer.",
    "pools": "Named lists of users: for the audience of a promotion, and to give coupons to.",
    "promotions": "Campaigns as people subscribe to them: window, audience, lifecycle, budget, "
    "what they give, and their counts.",
    "campaigns": "The same promotions as a shop sees them: with discount and budget in one body.",
    "discounts": "What a cart gets: the best offer and why not the others; granted at once; used "
    "so far.",
    "reservations": "A discount held for a checkout: reserved, then captured or released.",
    "redemptions": "Discounts that were granted, and giving them back, whole or in part.",
    "books": "Coupon books: codes made, brought and exported; what was given to pools.",
    "coupons": "One code: given to somebody, locked at a checkout, redeemed, reversed.",
    "subscriptions": "Who opted in to which promotion.",
    "events": "What people saw, clicked and redeemed: sent here, each counted exactly once.",
    "stats": "Exact counts over all promotions.",
    "dead-letters": "Events that could not be counted, by cause: replay, discard, restore.",
    "audit": "Every change: who, when, what, why.",
}

TAGS = [{"name": name, "description": words} for name, words in _ABOUT.items()]
