"""The gateway's speed as ratios: ours beside a bare FastMCP server and beside a floor, in one run on one machine."""
