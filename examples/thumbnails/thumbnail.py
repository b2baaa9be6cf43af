#!/usr/bin/python3
"""A task program in Python: a JPEG on standard input, alone or in the form that
brought it; the same picture on standard output, no side longer than --size.
Exit 65 says that the picture is no good, so that it is not tried again."""

import io
import os
import socket
import sys
import warnings

from PIL import Image, UnidentifiedImageError

# A few bytes can claim to be a picture of any size.
Image.MAX_IMAGE_PIXELS = 100_000_000
warnings.simplefilter("error", Image.DecompressionBombWarning)


def progress(percent, text):
    path = os.environ.get("NOTIFY_SOCKET")
    if not path:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as to:
        try:
            message = f"X_OUTLAST_PROGRESS={percent} {text}"
            to.sendto(message.encode(), socket.MSG_DONTWAIT, path)
        except OSError:
            pass  # nobody has to listen


def payload():
    data = sys.stdin.buffer.read()
    kind = os.environ.get("OUTLAST_CONTENT_TYPE", "")
    if kind.lower().startswith("multipart/form-data"):
        # A form is a header for each field, an empty line, and the picture. A
        # decoder stops at the picture's end: what follows it does no harm.
        data = data.partition(b"\r\n\r\n")[2]
    return io.BytesIO(data)


def fail(status, why):
    print(f"thumbnail: {why}", file=sys.stderr)
    sys.exit(status)


def main():
    if len(sys.argv) != 3 or sys.argv[1] != "--size":
        fail(os.EX_USAGE, "usage: thumbnail.py --size PIXELS")
    if not sys.argv[2].isdecimal() or int(sys.argv[2]) == 0:
        fail(os.EX_USAGE, "PIXELS is a number above 0")
    size = int(sys.argv[2])
    try:
        progress(20, "decoding")
        picture = Image.open(payload(), formats=["JPEG"])
        picture.draft("RGB", (size, size))  # decode no finer than needed
        picture.load()
        progress(60, "shrinking")
        picture.thumbnail((size, size))
    except UnidentifiedImageError:
        fail(os.EX_DATAERR, "not a JPEG")
    except (OSError, SyntaxError, ValueError, Warning,
            Image.DecompressionBombError) as error:
        fail(os.EX_DATAERR, error)
    progress(90, "encoding")
    picture.convert("RGB").save(sys.stdout.buffer, "JPEG", quality=85)


main()
