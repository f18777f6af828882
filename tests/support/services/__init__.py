"""The servers of the scaled composition, on this machine and without a container engine.

    python -m tests.support.services build     fetch or build what is neither a program here nor a wheel
    python -m tests.support.services start     start all, write .services.env; what runs is left running
    python -m tests.support.services stop      end exactly what `start` started; data stays in .services/

One module per server; `server.py` is what they share, `composition.py` all of them together, `local.py` the verbs
above, `fixtures.py` the pytest fixture `services`. Everything listens on 127.0.0.1, on ports that were spare.
"""

from tests.support.services.composition import GIVEN, Services, temporary_services
from tests.support.services.server import Server, Unavailable

__all__ = ["GIVEN", "Server", "Services", "Unavailable", "temporary_services"]
