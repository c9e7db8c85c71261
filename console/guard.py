"""What every request must keep to before anybody looks at it, and what every answer carries.

Plain HTTP is for this machine alone: everybody else comes through a proxy that speaks https and says so
(`X-Forwarded-Proto`), under the name of `MEDREP_PUBLIC_URL`. A request that changes something comes from a
page of ours, which the browser says (`Sec-Fetch-Site`, else `Origin`).
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from aiohttp import hdrs, web

SAFE = frozenset({hdrs.METH_GET, hdrs.METH_HEAD})
_PASSED_ON = (hdrs.FORWARDED, hdrs.X_FORWARDED_FOR, hdrs.X_FORWARDED_PROTO, "X-Real-IP", hdrs.VIA)
_HERE = frozenset({"localhost", "127.0.0.1", "::1"})
CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": CSP,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
HSTS = "max-age=31536000; includeSubDomains"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a request came from. `here`: from this machine, and through no proxy."""

    here: bool
    address: str
    scheme: str
    host: str


def origin_of(request: web.Request, public_url: str | None) -> Origin:
    """Raises HTTPForbidden: not https, or under a name that is not ours."""
    host = request.headers.get(hdrs.HOST, "")
    name = urlsplit(f"//{host}").hostname or ""
    proxied = any(header in request.headers for header in _PASSED_ON)
    here = not proxied and _loopback(request.remote) and name in _HERE
    if here:
        return Origin(True, request.remote or "", "http", host)
    public = urlsplit(public_url or "")
    if public.scheme != "https" or name != public.hostname:
        raise web.HTTPForbidden(reason="Not Under This Name")
    if request.headers.get(hdrs.X_FORWARDED_PROTO, "").lower() != "https":
        raise web.HTTPForbidden(reason="HTTPS Only")
    # The last proxy is ours and has written down who asked it; the rest anybody may have written.
    told = request.headers.get(hdrs.X_FORWARDED_FOR, "").rpartition(",")[2].strip()
    return Origin(False, told or request.remote or "", "https", host)


def _loopback(remote: str | None) -> bool:
    if remote is None:
        return False
    address = ip_address(remote.partition("%")[0])
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


def check_source(request: web.Request, origin: Origin) -> None:
    """Raises HTTPForbidden: another site's page has the browser ask for this."""
    site = request.headers.get("Sec-Fetch-Site")
    if request.method in SAFE:
        # A link elsewhere may lead to a page; nothing else of ours is for other sites.
        leads = request.headers.get("Sec-Fetch-Mode") == "navigate" and (
            request.headers.get("Sec-Fetch-Dest") == "document"
        )
        if site in (None, "same-origin", "none") or leads:
            return
    else:
        ours = request.headers.get(hdrs.ORIGIN) == f"{origin.scheme}://{origin.host}"
        if site == "same-origin" or (site is None and ours):
            return
    raise web.HTTPForbidden(reason="Cross Site")


def dress(response: web.StreamResponse, *, https: bool) -> None:
    """The headers that every answer carries."""
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers.setdefault(hdrs.CACHE_CONTROL, "no-store")
    if https:
        response.headers[hdrs.STRICT_TRANSPORT_SECURITY] = HSTS
