"""Checks a log with somebody else's library: aics-tlog, which reads what C2SP tlog-tiles and tlog-checkpoint define.

usage: check_tiles.py VKEY-FILE LOG

LOG is the URL or the folder under which `checkpoint` and `tile/` lie. Every tile and every bundle of entries is read and
checked up to the signed root, and every entry is proved from the tiles.
"""

import sys
from pathlib import Path

import aics_tlog as tlog
from aics_tlog.remote import tile_source_url


def main(vkey_file, place):
    key = tlog.parse_vkey(Path(vkey_file).read_text().strip())
    reader = tlog.HttpTileReader(tile_source_url(place), proxies={})
    note = tlog.parse_note(reader.read_checkpoint())
    signed = tlog.verify_checkpoint(note, key, expected_origin=key.name)
    if not signed.log_ok:
        sys.exit(f"the checkpoint is not signed by this key: {signed.error}")
    report = tlog.audit_tiles(reader, signed.size, signed.root)
    tiles = tlog.VerifiedTileReader(reader, signed.size, signed.root)
    for index in range(signed.size):
        proof = tlog.inclusion_proof_from_tiles(tiles, index, signed.size)
        if not tlog.verify_leaf_inclusion(tiles.entry(index), index, signed.size, proof, signed.root):
            sys.exit(f"entry {index} is not proved by the tiles")
    tiles, bundles = report.tiles, report.bundles
    print(f"{signed.size} entries, {tiles} hash tiles and {bundles} bundles are those of the checkpoint")


if __name__ == "__main__":
    main(*sys.argv[1:])
