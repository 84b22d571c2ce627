"""Python imports this at its start where it is found: it writes down whom the program wants to reach."""

import os
import sys

# What is resolved, and what is connected or sent to, by the position of the address in the event.
ADDRESSES = {"socket.connect": 1, "socket.sendto": 1, "socket.sendmsg": 1, "socket.getaddrinfo": 0, "socket.gethostbyname": 0}


def watch(event, arguments):
    if event in ADDRESSES:
        address = arguments[ADDRESSES[event]]
        host = address[0] if isinstance(address, tuple) else address
        with open(os.environ["WATCH_LOG"], "a", encoding="utf-8") as log:
            log.write(f"{host.decode() if isinstance(host, bytes) else host}\n")


sys.addaudithook(watch)
