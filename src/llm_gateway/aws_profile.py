"""The region that an AWS profile names in AWS's own configuration file."""

import configparser
import os
from collections.abc import Mapping


def region_of_profile(profile: str | None, environ: Mapping[str, str]) -> str | None:
    """The region of a profile (``None``: the default one); ``None`` where none is named or the file cannot be read."""
    name = profile or "default"
    file = os.path.expanduser(environ.get("AWS_CONFIG_FILE") or "~/.aws/config")  # noqa: PTH111 - Path's wants a home
    parsed = configparser.RawConfigParser()
    try:
        parsed.read(file, encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError):
        return None  # botocore will say what is wrong with it when credentials are asked for
    for section in ("default",) if name == "default" else (f"profile {name}", name):
        if parsed.has_option(section, "region"):
            return parsed.get(section, "region")
    return None
