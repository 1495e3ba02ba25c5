"""Fuzzing: odd input, found by watching which code it reaches, for every parser.

``make fuzz`` runs every target of `fuzz.targets` for a while, each in a process of its own,
with Atheris, which is libFuzzer for Python. A target states what holds for any input
whatsoever: which exceptions may leave a parser, that what comes out is clean, that parsing
and formatting are inverses, that the pieces in which input arrives do not matter.

All that is kept is in ``.fuzz``: what was learnt of a target (``corpus``), what broke one
(``found``; it is tried first the next time), and what libFuzzer said (``log``).
"""
