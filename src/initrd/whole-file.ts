/** @portable Small files that are replaced whole. Texts are Latin-1: a character is a byte. */
import { KiB, type Bytes } from "../core/units.ts";
import { latin1Bytes, latin1Text } from "../layout/env-block.ts";
import type { Sys } from "./sys.ts";

const PIECE: Bytes = 64 * KiB;

export function readWhole(sys: Sys, path: string): string {
  const file = sys.open(path, "read");
  try {
    let text = "";
    for (;;) {
      const piece = sys.readAt(file, text.length, PIECE);
      text += latin1Text(piece);
      if (piece.length < PIECE) return text;
    }
  } finally {
    sys.close(file);
  }
}

/** It is on the disk when this returns; cut short, the old one is still there. Only root may read it. @param path in a folder that exists */
export function replaceWhole(sys: Sys, path: string, text: string): void {
  const fresh = `${path}.new`;
  const file = sys.open(fresh, "create");
  try {
    sys.writeAt(file, 0, latin1Bytes(text));
    sys.syncFile(file);
  } finally {
    sys.close(file);
  }
  sys.rename(fresh, path);
  syncFolder(sys, path);
}

/** It stays away when this has returned. */
export function removeWhole(sys: Sys, path: string): void {
  sys.remove(path);
  syncFolder(sys, path);
}

/** A name is on the disk when its folder is. Source: fsync(2) */
function syncFolder(sys: Sys, path: string): void {
  const folder = sys.open(path.slice(0, path.lastIndexOf("/")), "read");
  try {
    sys.syncFile(folder);
  } finally {
    sys.close(folder);
  }
}
