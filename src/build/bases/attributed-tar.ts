import type { ByteText } from "../../layout/byte-text.ts";
import { encodeTarHeader, TAR_END, tarPadding, type Attribute, type TarEntry } from "../../layout/tar-entry.ts";
import { tarReader } from "../../layout/tar-reader.ts";

/**
 * The same tar with other extended attributes.
 *
 * @param attributes of an entry, by its name; hard links have those of their file
 * @throws AppError `ARCHIVE_REFUSED`
 */
export async function* rewritten(
  origin: string,
  tar: AsyncIterable<Uint8Array>,
  attributes: (name: ByteText) => readonly Attribute[],
): AsyncGenerator<Uint8Array> {
  const out: Uint8Array[] = [];
  let current: TarEntry | undefined;
  const reader = tarReader(
    { origin, endMark: "needed" },
    {
      entry: (entry) => {
        current = entry;
        out.push(encodeTarHeader({ ...entry, attributes: entry.type === "hardLink" ? [] : attributes(entry.name) }));
      },
      data: (bytes) => void out.push(bytes),
      end: () => void out.push(tarPadding(current?.size ?? 0)),
    },
  );
  for await (const chunk of tar) {
    reader.push(chunk);
    yield* out;
    out.length = 0;
  }
  reader.finish();
  yield TAR_END;
}
