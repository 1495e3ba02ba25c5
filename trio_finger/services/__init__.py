"""The doors. Each is one async function, and none knows another."""
