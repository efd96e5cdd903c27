"""What the figures were measured on."""

import os
import platform
import sysconfig
from importlib.metadata import version
from pathlib import Path


def describe() -> str:
    """One line: processor, cores, system, interpreter and how it was built, the libraries that matter."""
    flags = str(sysconfig.get_config_var("CONFIG_ARGS") or "")
    optimized = "with" if "--enable-optimizations" in flags else "without"
    libraries = ", ".join(f"{name} {version(name)}" for name in ("fastmcp", "mcp", "aiohttp", "uvicorn"))
    return (
        f"{_processor()}, {os.cpu_count()} cores, {platform.system()} {platform.release().split('-')[0]}; "
        f"{platform.python_implementation()} {platform.python_version()} built {optimized} PGO; {libraries}; "
        f"load before the run {os.getloadavg()[0]:.1f}"
    )


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
