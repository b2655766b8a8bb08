/** @portable What a file is to hold, whatever it is written in. */
import { AppError } from "../../core/error.ts";
import { MiB } from "../../core/units.ts";
import { base64, bytesOfBase64 } from "../../layout/base64.ts";
import type { Path } from "../issue-text.ts";
import { isBase64Encoding, isPacked, type FileFields } from "./files.ts";
import type { ConfiguredFile, FileContent } from "./node-config.ts";
import { optional } from "./users.ts";

/** Undoes gzip (RFC 1952). @throws anything, when it is none or more than `limit` bytes come out */
export type Gunzip = (bytes: Uint8Array, limit: number) => Uint8Array;
/** Of a file whose content stands at this path. @throws AppError `MACHINE_CONFIG_INVALID` */
export type Unpack = (bytes: Uint8Array, path: Path) => Uint8Array;

/** More than any file that fits into a machine config should become. */
export const UNPACKED_LIMIT = 16 * MiB;

export function configuredFile(file: FileFields, path: Path, unpack: Unpack): ConfiguredFile {
  return {
    path: file.path,
    content: contentOf(file, path, unpack),
    mode: file.permissions ?? 0o644,
    owner: file.owner ?? "root:root",
    append: file.append ?? false,
    defer: file.defer ?? false,
  };
}

function contentOf({ source, content = "", encoding }: FileFields, path: Path, unpack: Unpack): FileContent {
  if (source) return { url: source.uri, ...optional("sha256", source.sha256), ...optional("headers", source.headers) };
  if (!isBase64Encoding(encoding)) return { text: content };
  const bytes = bytesOfBase64(content.replaceAll(/\s+/g, ""));
  if (!bytes) throw new AppError("MACHINE_CONFIG_INVALID", "is no base64");
  return { base64: base64(isPacked(encoding) ? unpack(bytes, [...path, "content"]) : bytes) };
}
