"""Pages outside the console: a customer's coupons, offers and activity, and the desk where staff
hand coupons out.

Plain templates that work without scripts. They hold no rule: each POST is one call of a service,
its refusal is told in the words that the API uses.
"""
