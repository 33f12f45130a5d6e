"""A browser for the tests of pages."""

import pytest

from tests.browser import Browser


@pytest.fixture(scope="session")
def chromium(tmp_path_factory):
    browser = Browser(tmp_path_factory.mktemp("downloads"), server="http://127.0.0.1:")
    try:
        if not browser.run("""document.createElement("video").canPlayType('video/mp4; codecs="avc1.42E01E"')"""):
            pytest.skip("this browser plays no H.264")
        yield browser
    finally:
        browser.close()


@pytest.fixture
def browser(chromium):
    """One tab, with no problems heard so far."""
    chromium.close_tabs()
    chromium.new_tab()
    chromium.resize(1440)
    chromium.problems.clear()
    return chromium
