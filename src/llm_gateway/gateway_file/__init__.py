"""The gateway file read: its text, its references to the environment, its shape, and the routes that it means."""
