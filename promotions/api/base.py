"""What the routes over promotions share."""

from datetime import datetime
from functools import cached_property

from accounts.api.base import ApiViewSet
from promopulse.lib import time


class PromotionsViewSet(ApiViewSet):
    """Customers (`only_of`) see what is active and open to them."""

    @cached_property
    def at(self) -> datetime:
        """The one moment at which this request judges effective statuses."""
        return time.db_now()
