"""OLE compound files and Outlook messages, made by code: olefile and oxmsg only read them."""

import itertools
import struct

SECTOR, MINI, CUTOFF = 512, 64, 4096
FREE, END, FAT = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD
STORAGE, STREAM, ROOT = 1, 2, 5


def compound(tree):
    """A compound file of this tree: bytes are streams, dicts are storages."""
    entries, mini, sectors, chains = [], bytearray(), [], []
    minifat = []

    def store(body):
        first = len(sectors)
        for at in range(0, len(body), SECTOR):
            sectors.append(body[at : at + SECTOR].ljust(SECTOR, b"\0"))
            chains.append(len(sectors))
        if body:
            chains[-1] = END
        return first if body else END

    def add(name, node, kind):
        entry = [name, kind, FREE, FREE, FREE, END, 0]  # name, kind, left, right, child, start, size
        at = len(entries)
        entries.append(entry)
        if isinstance(node, dict):
            # Brothers hang to the right of each other: a tree, if a lopsided one.
            brothers = [
                add(child, node[child], STREAM if isinstance(node[child], bytes) else STORAGE)
                for child in sorted(node, key=lambda child: (len(child), child.upper()))
            ]
            entry[4] = brothers[0] if brothers else FREE
            for brother, following in itertools.pairwise(brothers):
                entries[brother][3] = following
        else:
            entry[6] = len(node)
            if len(node) >= CUTOFF:
                entry[5] = store(node)
            elif node:
                entry[5] = len(minifat)
                mini.extend(node.ljust(-(-len(node) // MINI) * MINI, b"\0"))
                minifat.extend(range(len(minifat) + 1, len(mini) // MINI + 1))
                minifat[-1] = END
        return at

    add("Root Entry", tree, ROOT)
    entries[0][5], entries[0][6] = store(bytes(mini)), len(mini)
    minifat_start = store(struct.pack(f"<{len(minifat)}I", *minifat) + b"\xff" * (-4 * len(minifat) % SECTOR))
    directory = b"".join(
        name.encode("utf-16-le").ljust(64, b"\0")
        + struct.pack("<HBBIII16xI16xIII", 2 * len(name) + 2, kind, 1, left, right, child, 0, start, size, 0)
        for name, kind, left, right, child, start, size in entries
    )
    start = store(directory + b"\0" * (-len(directory) % SECTOR))
    fat = len(sectors)
    count = next(n for n in range(1, 110) if n * SECTOR // 4 >= fat + n)
    table = [*chains, *[FAT] * count]
    table += [FREE] * (count * SECTOR // 4 - len(table))
    header = struct.pack(
        "<8s16xHHHHH6xIIIIIIIII",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        62,
        3,
        0xFFFE,
        9,
        6,
        0,
        count,
        start,
        0,
        CUTOFF,
        minifat_start,
        -(-len(minifat) * 4 // SECTOR),
        END,
        0,
    )
    header += struct.pack("<109I", *(fat + i if i < count else FREE for i in range(109)))
    return header + b"".join(sectors) + struct.pack(f"<{len(table)}I", *table)


def msg(properties, *, attached=()):
    """A message: {id: str, int or bytes}; a tuple (text, encoding) is a string of 8 bits.

    What is attached is a name, or the properties of an attachment.
    """

    def storage(properties, head):
        rows, streams = head, {}
        for pid, value in properties.items():
            if isinstance(value, int):
                rows += struct.pack("<HHIII", 0x0003, pid, 6, value, 0)
                continue
            kind, body = 0x0102, value
            if isinstance(value, str):
                kind, body = 0x001F, value.encode("utf-16-le")
            elif isinstance(value, tuple):
                kind, body = 0x001E, value[0].encode(value[1])
            rows += struct.pack("<HHIII", kind, pid, 6, len(body), 0)
            streams[f"__substg1.0_{pid:04X}{kind:04X}"] = body
        return {"__properties_version1.0": rows, **streams}

    head = struct.pack("<8x4I8x", 0, len(attached), 0, len(attached))
    about = [{0x3707: one} if isinstance(one, str) else one for one in attached]
    files = {f"__attach_version1.0_#{i:08X}": storage(one, bytes(8)) for i, one in enumerate(about)}
    return compound(storage(properties, head) | files)
