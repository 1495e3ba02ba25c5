"""One status, every door: finger, web, XML-RPC and IRC, from one Trio daemon."""

__version__ = "0.1.0"
