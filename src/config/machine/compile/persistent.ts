/** @portable `persist`: folders that keep what is written to them, besides the image's. */
import { isMountablePath } from "../../../layout/fstab.ts";
import { isNormalPath } from "../../../layout/persistent-folder.ts";
import { isIn, whyNotPersistent } from "../../persistent-path.ts";
import type { NodeConfig } from "../node-config.ts";
import type { ImageView } from "./image-view.ts";
import type { Part, Unsupported } from "./part.ts";

export function compilePersistent(
  { persistent }: NodeConfig,
  view: ImageView,
): Required<Pick<Part, "persistent" | "unsupported">> {
  const unsupported: Unsupported[] = [];
  const found: string[] = [];
  for (const path of persistent) {
    // It is already: the same config fits an image that declares the folder, and one that does not.
    if ([...view.persistent, ...found].some((folder) => isIn(path, folder))) continue;
    const why = whyNot(path, [...view.persistent, ...found], view);
    if (why === undefined) found.push(path);
    else unsupported.push({ key: `persist[${path}]`, problem: why });
  }
  return { persistent: found, unsupported };
}

function whyNot(path: string, others: readonly string[], view: ImageView): string | undefined {
  if (!isNormalPath(path) || !isMountablePath(path)) return "must be an absolute path of letters, digits and @ _ . + -";
  const never = whyNotPersistent(path);
  if (never !== undefined) return never;
  const inside = others.find((folder) => isIn(folder, path));
  if (inside !== undefined) return `contains ${inside}, which is persistent already`;
  const at = view.find(path, "keep");
  if (at?.path !== path || typeof at.node === "object") return "is a link, or leads through one, on this image";
  if (at.node === "file") return "is a file on this image";
  if (at.node === undefined && !isIn(path, "/etc") && !isIn(path, "/var"))
    return "is not in the image, which is read-only: make the folder in the recipe";
  return undefined;
}
