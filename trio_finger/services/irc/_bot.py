"""The bot: stays connected, and answers at the pace that its server allows.

On a connection two tasks are at work. One receives questions and puts them in a queue;
it never waits for the other, so that PINGs are answered in time whatever people ask. The
other takes them out and answers. Whatever one of them finds wrong with the connection
ends both, and after a delay everything starts afresh.
"""

from random import Random, SystemRandom
from typing import NoReturn

import trio

from trio_finger.config import Irc
from trio_finger.counts import Counts
from trio_finger.log import get_log
from trio_finger.retry import backoff_delays, keep_trying
from trio_finger.services.irc._answer import answer, show
from trio_finger.services.irc._connection import Connect, Connection, LostError, open_connection
from trio_finger.services.irc._pace import Pace
from trio_finger.services.irc._questions import Questions
from trio_finger.sources import Directory

# Seconds; more than connecting and being let in may take together. Whatever lasts for so
# long was a connection.
STABLE = 120

# RFC 1459, 8.10: a server lets a client be ten seconds ahead, at two seconds a message.
# One of these five is left for what is not an answer, PONG above all.
BURST = 4
INTERVAL = 2.0

# A minute's worth of answers: one that comes later helps nobody.
QUEUE_SIZE = 30


async def run_irc(
    config: Irc,
    directory: Directory,
    *,
    counts: Counts,
    connect: Connect = trio.open_tcp_stream,
    random: Random | None = None,
) -> NoReturn:
    """Keep a bot alive on an IRC server, for ever: cancel it to stop.

    Nothing that the server does, or fails to do, ends it: it comes back after a delay.
    Cancelled, it takes leave of the server, for which it waits a second at most.

    Args:
      config: where to, and what to be called.
      directory: whom people ask for.
      counts: the bot's numbers; what is accepted there are connections that it made.
      connect: opens a stream to a host and a port.
      random: spreads the delays between attempts; the system's own unless given.
    """
    log = get_log("irc", server=str(config.server))
    chance = random or SystemRandom()

    async def attempt() -> None:
        async with open_connection(connect, config.server, config.nick) as connection:
            log.info("connected", nick=connection.nick)
            if connection.nick != config.nick:
                log.warning("another nick", wanted=config.nick, nick=connection.nick)
            counts.accepted += 1
            counts.open = 1
            try:
                await _converse(connection, directory, counts)
            finally:
                counts.open = 0

    def on_failure(reasons: list[Exception], delay: float) -> None:
        log.warning("lost", why="; ".join(map(str, reasons)), retry_in=round(delay, 1))

    await keep_trying(
        attempt,
        expected=LostError,
        delays=lambda: backoff_delays(chance),
        stable=STABLE,
        on_failure=on_failure,
    )


async def _converse(connection: Connection, directory: Directory, counts: Counts) -> NoReturn:
    """Answer whoever asks, until the connection is lost."""
    questions = Questions(QUEUE_SIZE)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_answer_all, questions, connection, directory, counts)
        while True:
            questions.put(await connection.receive())


async def _answer_all(
    questions: Questions, connection: Connection, directory: Directory, counts: Counts
) -> NoReturn:
    log = get_log("irc")
    pace = Pace(BURST, INTERVAL)
    while True:
        question = await questions.get()
        users = await directory.find([question.text.strip()])
        text = answer(users, question.text)
        log.debug("asked", by=question.sender, name=show(question.text), answered=bool(text))
        for piece in connection.split_text(question.sender, text) if text else ():
            await pace.wait()
            await connection.send_text(question.sender, piece)
        counts.answered["answer" if text else "silence"] += 1
        # Here, after a wait, a flood of questions is not made a flood of records.
        if dropped := questions.take_dropped():
            counts.refused["flood"] += dropped
            log.warning("dropped", questions=dropped)
