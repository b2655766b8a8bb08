/** @portable Which persistent folder a path lies in, and where in its layers. */

/** Absolute, without `.`, `..`, empty parts and NUL, and not `/`: joined to a folder it stays below it. */
export const isNormalPath = (path: string): boolean => /^(\/(?!\.{1,2}(\/|$))[^/\0]+)+$/.test(path);

/** The persistent folder that is `path` or holds it; `undefined` when there is none. Persistent folders do not nest. */
export const folderOf = (path: string, folders: readonly string[]): string | undefined =>
  folders.find((folder) => path === folder || path.startsWith(`${folder}/`));

/** A path and the folders above it, from below `folder` on: `/etc/app/a/b` in `/etc/app` → `/a`, `/a/b`. Empty for the folder itself. */
export function stepsBelow(path: string, folder: string): string[] {
  const parts = path.slice(folder.length + 1).split("/");
  return path === folder ? [] : parts.map((_, index) => `/${parts.slice(0, index + 1).join("/")}`);
}
