"""A program for the sandbox: it does some work, leaves a file, and tries the walls.

    nexus exec examples/sandbox.py
"""
import socket
from pathlib import Path


def primes(limit):
    sieve = bytearray([1]) * (limit + 1)
    for n in range(2, int(limit**0.5) + 1):
        if sieve[n]:
            sieve[n * n :: n] = bytes(len(range(n * n, limit + 1, n)))
    return [n for n in range(2, limit + 1) if sieve[n]]


def attempt(what, action):
    try:
        action()
        print(f"{what}: allowed")
    except OSError as error:
        print(f"{what}: refused ({error.strerror})")


found = primes(50_000)
Path("primes.txt").write_text("\n".join(map(str, found)))
print(f"primes below 50,000: {len(found)}, the last is {found[-1]}")

attempt("read the host's passwords", lambda: Path("/etc/shadow").read_text())
attempt("write outside of /work   ", lambda: Path("/usr/mine").write_text("x"))
attempt("connect to a network     ", lambda: socket.create_connection(("198.51.100.1", 80), timeout=2))
