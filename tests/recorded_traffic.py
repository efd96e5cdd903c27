"""Where the recorded Bedrock traffic stands, if it is there."""

import os
from pathlib import Path

_CHECKOUT = Path(__file__).resolve().parent.parent
TRAFFIC = Path(os.environ.get("LLM_GATEWAY_TRAFFIC") or _CHECKOUT.parent / "shared" / "traffic")
