"""`python -m netmon.healthcheck`: exit code 0 when the web process of this machine says that netmon is well.

For container platforms. It needs the standard library only, so that it is cheap to run every few seconds.
"""

import os
import sys
import urllib.error
import urllib.request

URL = "http://127.0.0.1:8000/api/v1/health/"
TIMEOUT_SECONDS = 4


def host() -> str:
    """A name that netmon answers to: 127.0.0.1 need not be among NETMON_ALLOWED_HOSTS."""
    first = os.environ.get("NETMON_ALLOWED_HOSTS", "").strip(", ").split(",")[0].strip()
    return first.lstrip(".") if first and first != "*" else "127.0.0.1"


def main(url: str = URL) -> int:
    # Behind a proxy that ends TLS, plain HTTP would be redirected.
    request = urllib.request.Request(url, headers={"Host": host(), "X-Forwarded-Proto": "https"})  # noqa: S310 - our own http address
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:  # noqa: S310 - as above
            return 0 if response.status == 200 else 1
    except urllib.error.HTTPError as error:
        print(error.read(2000).decode(errors="replace"), file=sys.stderr)  # noqa: T201 - shown by `docker inspect`
    except OSError as error:
        print(error, file=sys.stderr)  # noqa: T201 - as above
    return 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2]))
