"""XML-RPC: the body of a request becomes a `Call`, and what came of it a response.

Sources: http://xmlrpc.com/spec.md, and for the codes of faults
http://xmlrpc-epi.sourceforge.net/specs/rfc.fault_codes.php
"""

from trio_finger.protocol.xmlrpc._fault import Code, Fault
from trio_finger.protocol.xmlrpc._format import format_fault, format_response
from trio_finger.protocol.xmlrpc._parse import Call, parse_call

__all__ = ["Call", "Code", "Fault", "format_fault", "format_response", "parse_call"]
