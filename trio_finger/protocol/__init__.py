"""The protocols as pure functions and objects: bytes in, values out.

Nothing here waits, opens a socket, looks at a clock or logs, so everything here
can be tested with plain values and used from any program.
"""
