"""The configurations that docs/proxy.md shows, with the ports and files of a test put in."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

HOST: Final = "status.example.org"

_DOCUMENT = Path(__file__).parents[2] / "docs/proxy.md"

# What a proxy is not told by the recipe, since its package does.
_NGINX = """
{user}
daemon off;
pid {folder}/nginx.pid;
events {{ }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
{recipe}
}}
"""

# The ways in which the recipe of a proxy may be changed, as the document says.
STRIPPING: Final[Mapping[str, Mapping[str, str]]] = {
    "nginx": {
        "location /finger/ {\n        proxy_pass http://127.0.0.1:8000;": (
            "location /finger/ {\n        proxy_pass http://127.0.0.1:8000/;"
        ),
        "location /finger/live {\n        proxy_pass http://127.0.0.1:8000;": (
            "location /finger/live {\n        proxy_pass http://127.0.0.1:8000/live;"
        ),
    },
    "caddy": {
        "reverse_proxy @finger 127": "handle_path /finger/* {\n\treverse_proxy 127",
        "keepalive 10s\n\t\t}\n\t}\n": (
            "keepalive 10s\n\t\t}\n\t}\n\t}\n"
            "\treverse_proxy /.well-known/webfinger 127.0.0.1:8000\n"
        ),
    },
}
APPENDING: Final[Mapping[str, Mapping[str, str]]] = {
    "nginx": {
        "X-Forwarded-For   $remote_addr": "X-Forwarded-For $proxy_add_x_forwarded_for",
    },
    "caddy": {
        "header_up -Forwarded": "header_up -Forwarded\n\t\ttrusted_proxies 127.0.0.0/8",
    },
}
UNIX: Final[Mapping[str, Mapping[str, str]]] = {
    "nginx": {"http://127.0.0.1:8000": "http://unix:/srv/finger/run/web.sock"},
    "caddy": {"127.0.0.1:8000": "unix//srv/finger/run/web.sock"},
}
NONE: Final[Mapping[str, Mapping[str, str]]] = {"nginx": {}, "caddy": {}}


def block(language: str, number: int = 0) -> str:
    """Return one of the document's blocks of code in *language*."""
    found = re.findall(rf"^```{language}\n(.*?)^```$", _DOCUMENT.read_text(), re.M | re.S)
    text: str = found[number]
    return text


def put_in(text: str, replacements: Mapping[str, str]) -> str:
    """Replace each of *replacements*, all of which have to be in *text*."""
    for old, new in replacements.items():
        assert old in text, f"{old!r} is not in the recipe"
        text = text.replace(old, new)
    return text


def nginx(folder: Path, port: int, upstream: Mapping[str, str], change: Mapping[str, str]) -> str:
    """Return the whole configuration of an nginx that listens on *port*."""
    recipe = put_in(block("nginx"), change)
    ours = {
        "listen 443 ssl;": f"listen 127.0.0.1:{port} ssl;",
        "    listen [::]:443 ssl;\n": "",
        "/etc/ssl/status.example.org.pem": f"{folder}/cert.pem",
        "/etc/ssl/private/status.example.org.key": f"{folder}/key.pem",
    }
    user = "user root;" if os.geteuid() == 0 else ""
    return _NGINX.format(user=user, folder=folder, recipe=put_in(recipe, {**ours, **upstream}))


def caddy(folder: Path, port: int, upstream: Mapping[str, str], change: Mapping[str, str]) -> str:
    """Return the whole configuration of a Caddy that listens on *port*."""
    recipe = put_in(block("caddyfile"), change)
    certificate = f"{folder}/cert.pem {folder}/key.pem"
    ours = {
        "{\n\tservers {": "{\n\tadmin off\n\tauto_https disable_redirects\n\tservers {",
        "status.example.org {": (
            f"https://{HOST}:{port} {{\n\tbind 127.0.0.1\n\ttls {certificate}"
        ),
    }
    return put_in(recipe, {**ours, **upstream})
