"""What a call cost: pricing is pure."""
