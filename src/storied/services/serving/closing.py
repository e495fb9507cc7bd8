"""Closing a door without slamming it: nobody new comes in, and whoever stands in it already is let in.

The kernel takes connections into a listening socket's queue before a process does, and resets what is left there when
the socket is closed; the client has then connected, may have sent its request, and gets no answer. So the kernel is
first told to take nobody new, and the socket is closed when its queue is empty.
"""

from __future__ import annotations

import ctypes
import socket
import struct
import sys
from collections.abc import Iterator

_SO_ATTACH_FILTER = 26
_FLAGS, _SYN = 13, 0x02
_LOAD_BYTE, _JUMP_IF_SET, _RETURN = 0x30, 0x45, 0x06
_ALL = 0xFFFF_FFFF


def take_nobody_new(listening: socket.socket) -> None:
    """Makes the kernel overlook whoever begins to connect, in whatever process the socket is shared with.

    They try again a second later, and are refused then, or reach whoever listens there by then; connections that were
    begun go on. Only Linux can do it: elsewhere this does nothing, and who connects in the last moment may be reset.
    """
    if sys.platform != "linux":
        return
    steps = (  # classic BPF over the TCP header: drop what has SYN set, which only the first packet of a client has
        (_LOAD_BYTE, 0, 0, _FLAGS),
        (_JUMP_IF_SET, 0, 1, _SYN),
        (_RETURN, 0, 0, 0),
        (_RETURN, 0, 0, _ALL),
    )
    program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
    listening.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HP", len(steps), ctypes.addressof(program)))


def those_who_wait(listening: socket.socket) -> Iterator[socket.socket]:
    """Each connection that waits in the socket's queue, until it is empty."""
    listening.setblocking(False)
    while True:
        try:
            one, _ = listening.accept()
        except BlockingIOError:
            return
        except ConnectionAbortedError:  # gone while it waited
            continue
        yield one
