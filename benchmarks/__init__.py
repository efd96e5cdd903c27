"""The gateway's speed as ratios: ours and a bare FastMCP server side by side, in one run, on one machine."""
