"""Who hears what: webhooks hear everything, where a company has any."""

from kvit.integrations.services import any_webhook, hear
from kvit.platform.events import consumes_all

consumes_all(name="integrations.webhooks", wanted=any_webhook)(hear)
