"""The server process: listening on this computer, telling the address, ending well."""

import gc
import secrets
import socket
import webbrowser
from collections.abc import Callable

import uvicorn

from vlm_autodrive.errors import UserError
from vlm_autodrive.review.app import create_app
from vlm_autodrive.review.security import Access, check_host
from vlm_autodrive.review.session import Review

LOOPBACK = "127.0.0.1"
_GRACE_S = 2


def serve(
    review: Review,
    *,
    host: str = LOOPBACK,
    port: int = 0,
    with_token: bool = False,
    names: tuple[str, ...] = (),
    opens_browser: bool = False,
    tell: Callable[[str], None] = print,
) -> None:
    """Serve a review until it is interrupted; then the review is closed.

    Args:
        review: The open review.
        host: The address to listen on.
        port: The port; 0 for a free one.
        with_token: Let in only who opens the address that is told, which carries a secret and works once.
        names: Further host names by which browsers may ask.
        opens_browser: Open the page in the person's browser.
        tell: Gets the address.

    Raises:
        UserError: If other machines could reach the address and there is no token, or it cannot be listened on.
    """
    check_host(host, with_token=with_token)
    listening = _listen(host, port)
    access = Access(
        host=host,
        port=listening.getsockname()[1],
        token=secrets.token_urlsafe(32) if with_token else None,
        names=names,
    )
    # No access log: an address may carry the token.
    config = uvicorn.Config(
        create_app(review, access),
        access_log=False,
        log_level="error",
        server_header=False,
        date_header=True,
        timeout_graceful_shutdown=_GRACE_S,
        ws="none",
    )
    gc.freeze()  # the items stay to the end: to look through them again and again would delay answers
    tell(access.address())
    if opens_browser:
        webbrowser.open(access.address())
    uvicorn.Server(config).run(sockets=[listening])


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise UserError(
            f"{host}:{port} cannot be listened on ({error.strerror}); give another --port, or 0 for a free one."
        ) from None
    listening.listen(128)
    return listening
