import { resolve } from "node:path";
import { AppError } from "../core/error.ts";
import type { ImageSource } from "../layout/operation.ts";
import { formatReference, isWebFolder, parseReference } from "../registry/reference.ts";
import { referenceWithin } from "./reference-within.ts";

/**
 * What somebody has written to name an image. A file that is there is meant before anything else; a registry has a dot, a port, or is `localhost`; Docker Hub
 * has to be named, since a path that is wrong must not be looked for there. `http://` with a tag or a digest at its end is a registry without TLS; a URL with
 * `/` at its end, before a tag or a digest, is a folder of images.
 *
 * @param exists whether there is a file or folder
 * @throws AppError `REFERENCE_INVALID`
 */
export async function imageSource(text: string, cwd: string, exists: (path: string) => Promise<boolean>): Promise<ImageSource> {
  if (/^oci(-archive)?:/.test(text))
    return { is: "registry", reference: formatReference(referenceWithin(cwd, parseReference(text))) };
  if (/^https?:\/\//.test(text)) {
    if (isWebFolder(text)) return { is: "registry", reference: formatReference(parseReference(text)) };
    const isTagged = text.startsWith("http://") && /[^/](:[\w][\w.-]{0,127}|@sha256:[0-9a-f]{64})$/.test(new URL(text).pathname);
    return isTagged ? { is: "registry", reference: formatReference(parseReference(text)) } : { is: "url", url: text };
  }
  const path = resolve(cwd, text);
  if (/^\.{0,2}\//.test(text) || (await exists(path)) || !text.includes("/")) return { is: "file", path };
  const reference = registryIn(text);
  return reference === undefined ? { is: "file", path } : { is: "registry", reference };
}

function registryIn(text: string): string | undefined {
  const [host = ""] = text.split("/");
  if (host !== "localhost" && !/[.:]/.test(host)) return undefined;
  try {
    return formatReference(parseReference(text));
  } catch (error) {
    // With a colon behind the last slash it was meant as one.
    if (error instanceof AppError && !/:[^/]*$/.test(text.slice(text.lastIndexOf("/")))) return undefined;
    throw error;
  }
}
