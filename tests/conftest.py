"""What all tests share: the built site and one browser, started when the first test asks for them."""

from tests.site_fixtures import browser, built, site

__all__ = ["browser", "built", "site"]
