"""A TCP proxy that fails on command, to stand before Redis, PostgreSQL, Qdrant or an HTTP service.

Kafka's clients follow the address the broker advertises: only a broker whose `advertised.listeners` names the proxy's
own port (`Proxy(...).port`, chosen before the broker starts: target it by port) is reached through it.
"""

import socket
import time
from contextlib import suppress
from threading import Event, Lock, Thread
from typing import Self


class Proxy:
    """Forwards connections from `port` on 127.0.0.1 to a target. A context manager; every control acts at once.

    `connections` counts those accepted, `forwarded` the bytes to and from the target.
    """

    def __init__(self, target_port: int, target_host: str = "127.0.0.1", *, port: int = 0) -> None:
        self._target = (target_host, target_port)
        self._flowing = Event()
        self._lock = Lock()
        self._open: set[socket.socket] = set()
        self._delay_s = 0.0
        self._curtail: int | None = None
        self.connections = 0
        self.forwarded = {"to": 0, "from": 0}
        self.port = port
        self._listener: socket.socket | None = None
        self.restore()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.refuse()
        self.cut()
        self._flowing.set()  # pumps that are held find their connections gone

    def restore(self) -> None:
        """Accept and forward without delay, as in the beginning."""
        self._delay_s, self._curtail = 0.0, None
        self._flowing.set()
        if self._listener is None:
            self._listener = socket.create_server(("127.0.0.1", self.port), backlog=128)
            self.port = self._listener.getsockname()[1]
            Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def refuse(self) -> None:
        """Refuse new connections. Those that are open stay: `cut` ends them."""
        listener, self._listener = self._listener, None
        if listener is not None:
            _shut(listener)
            listener.close()

    def cut(self) -> None:
        """Close every open connection, both ends."""
        with self._lock:
            for end in self._open:
                _shut(end)

    def turn_to(self, target_port: int) -> None:
        """Forward to another port from now on, and end what is open to the one before."""
        self._target = (self._target[0], target_port)
        self.cut()

    def delay(self, seconds: float) -> None:
        """Forward whatever comes from now on so much later, in either direction."""
        self._delay_s = seconds

    def curtail(self, size: int) -> None:
        """End each connection after so many bytes from the target: in the midst of an answer."""
        self._curtail = size

    def stall(self) -> None:
        """Accept connections and keep them open, and forward nothing until `restore`: what a silent network does."""
        self._flowing.clear()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            self.connections += 1
            Thread(target=self._connect, args=(client,), daemon=True).start()

    def _connect(self, client: socket.socket) -> None:
        try:
            target = socket.create_connection(self._target)
        except OSError:  # the target is away: the client sees its connection closed
            client.close()
            return
        with client, target:
            for end in (client, target):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._open |= {client, target}
            back = Thread(target=self._pump, args=(target, client, "from"), daemon=True)
            back.start()
            self._pump(client, target, "to")
            back.join()
            with self._lock:
                self._open -= {client, target}

    def _pump(self, source: socket.socket, sink: socket.socket, way: str) -> None:
        with suppress(OSError):
            passed = 0
            while data := source.recv(1 << 16):
                if way == "from" and self._curtail is not None:
                    data = data[: max(0, self._curtail - passed)]
                passed += len(data)
                if self._delay_s:
                    time.sleep(self._delay_s)
                self._flowing.wait()
                sink.sendall(data)
                self.forwarded[way] += len(data)
                if way == "from" and self._curtail is not None and passed >= self._curtail:
                    break
        _shut(source)
        _shut(sink)


def _shut(end: socket.socket) -> None:
    """Wake whoever waits on a socket; it is closed by its owner."""
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
