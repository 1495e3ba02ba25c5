"""RFC 1288 as tests: every row and every case of docs/rfc1288.md is one, named after its id."""
