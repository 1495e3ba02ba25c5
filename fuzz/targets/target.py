"""What the finger client is asked for: refused, or safe to send and the same written out."""

from fuzz.inputs import as_text
from fuzz.properties import is_clean
from fuzz.target import Target
from fuzz.targets.address import check_address
from trio_finger.protocol.address import Address
from trio_finger.protocol.finger import format_query
from trio_finger.protocol.target import TargetError, parse_target, verbose


def check(data: bytes) -> None:
    """No text makes the client send two lines, or go to what is no host."""
    text = as_text(data)
    try:
        target = parse_target(text)
    except TargetError as error:
        assert str(error).isprintable()
        return
    assert str(target).isprintable()
    assert target.port
    check_address(address := Address(target.host, target.port))
    line = format_query(target.query)[:-2].decode()
    assert is_clean(line)
    assert "\t" not in line
    assert verbose(verbose(target)) == verbose(target)
    words = (*target.query.names, *target.query.hosts)
    written = f"{line}@{address}"
    if all(word.split() == [word] for word in words) and "://" not in written:
        assert parse_target(written) == target


TARGET = Target(
    check,
    seeds=(
        b"moshez@far@near:7079",
        b"/W moshez,shawn@[::1]:79",
        b"finger://h:7079/moshez%20shawn",
        b"FINGER://jos%C3%A9@[::1]/",
        b"finger://h//W%20a%40b",
        b"",
    ),
    tokens=(b"finger://", b"%0d%0a", b"%2F", b"%e2%80%ae", b"%ff", b"@", b"]:", b"[::1]", b"/W"),
    max_len=512,
)
