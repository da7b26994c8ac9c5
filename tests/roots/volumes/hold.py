"""A file on a volume that the root does not need: held open, read and written on."""
import os

from held import held, same

LINES = "/srv/lines"


def setup():
    lines = open(LINES, "r+")
    return lines, lines.read()


def check(things):
    lines, content = things
    same(os.path.ismount("/srv"), True, "/srv is a mount")
    same(os.path.samestat(os.fstat(lines.fileno()), os.stat(LINES)), True, "the file is the one of the path")
    lines.seek(0)
    same(lines.read(), content, "contents")
    lines.write("after\n")
    lines.flush()
    os.fsync(lines.fileno())


held(setup, check)
