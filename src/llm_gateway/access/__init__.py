"""Who may call, which model, how fast."""
