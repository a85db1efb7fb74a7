"""network: a network of one's own, so that the usual ports are free."""
import ctypes
import fcntl
import os
import socket
import struct


def private_network():
    """A network namespace with nothing but loopback; False where that is not allowed."""
    clone_newuser, clone_newnet = 0x10000000, 0x40000000
    flags = clone_newnet | (clone_newuser if os.geteuid() else 0)
    if ctypes.CDLL(None, use_errno=True).unshare(flags):
        return False
    get_flags, set_flags, up = 0x8913, 0x8914, 1
    with socket.socket() as s:
        request = fcntl.ioctl(s, get_flags, struct.pack('16sh14x', b'lo', 0))
        fcntl.ioctl(s, set_flags, struct.pack('16sh14x', b'lo', struct.unpack('16sh14x', request)[1] | up))
    return True
