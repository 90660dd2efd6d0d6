"""Starts a program for which ptrace cannot read the registers of newer processors.

User Mode Linux has too little room for those of processors with AMX, and dies of it; where ptrace
refuses, it does with the old ones. Usage: without_xstate.py PROGRAM ARGUMENT…
"""

import ctypes
import errno
import os
import struct
import sys

PTRACE, GETREGSET = 101, 0x4204
LOAD, IS_EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, ERRNO = 0x7FFF0000, 0x00050000
# The number of the system call stands at 0, its first argument at 16; a jump leaves out so many.
FILTER = [
    (LOAD, 0, 0, 0),
    (IS_EQUAL, 0, 3, PTRACE),
    (LOAD, 0, 0, 16),
    (IS_EQUAL, 0, 1, GETREGSET),
    (RETURN, 0, 0, ERRNO | errno.EINVAL),
    (RETURN, 0, 0, ALLOW),
]
NO_NEW_PRIVILEGES, SECCOMP, BY_FILTER = 38, 22, 2


class Program(ctypes.Structure):
    """struct sock_fprog."""

    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_char_p)]


libc = ctypes.CDLL(None, use_errno=True)
code = b"".join(struct.pack("HBBI", *step) for step in FILTER)
program = Program(len(FILTER), code)
for arguments in [(NO_NEW_PRIVILEGES, 1, 0, 0, 0), (SECCOMP, BY_FILTER, ctypes.byref(program))]:
    if libc.prctl(*arguments) != 0:
        sys.exit(f"prctl: {os.strerror(ctypes.get_errno())}")
os.execvp(sys.argv[1], sys.argv[1:])
