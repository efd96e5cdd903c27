"""What stands at addresses that requests name, brought in under guard."""
