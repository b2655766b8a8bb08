/** @portable Where an entry of an archive goes: names that leave the tree, or can be read in two ways, are refused. */
import { shownText, type ByteText } from "./byte-text.ts";

/** Source: Linux, include/uapi/linux/limits.h, NAME_MAX */
const LONGEST_PART = 255;

/**
 * The parts of a name: `./usr/bin/` is usr and bin, `./` is the root itself, with none.
 *
 * @returns what is wrong with the name, as text
 */
export function partsOfName(name: ByteText): readonly ByteText[] | string {
  if (name.startsWith("/")) return "is absolute: names in an archive are relative to its root";
  const relative = name.startsWith("./") ? name.slice(2) : name;
  if (relative === "" || relative === ".") return name === "" ? "has no name" : [];
  const parts = relative.split("/");
  for (const part of parts) {
    if (part === "..") return "leads upwards (..)";
    if (part === "" || part === ".") return "has an empty part in its name";
    if (part.length > LONGEST_PART)
      return `has a part of more than ${LONGEST_PART} bytes in its name: ${shownText(part.slice(0, 20))}…`;
  }
  return parts;
}
