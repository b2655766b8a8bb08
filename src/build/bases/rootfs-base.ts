import { basename, join, resolve } from "node:path";
import type { BaseSource } from "../../config/base.ts";
import { fileSize, sha256File } from "../../host/files.ts";
import { toolFailed } from "../../host/tools.ts";
import type { Base, BaseRequest } from "../base.ts";
import type { BuildContext } from "../context.ts";
import { archiveOfFile, checked } from "./archive.ts";
import { kindOfBase, mergedBase } from "./merged-base.ts";
import { compressionOfFile, plainFile } from "./plain-tar.ts";

/** The base that a tar of a root file system makes, or a folder that is one. @throws AppError `BASE_MISSING`, `ARCHIVE_REFUSED` */
export async function rootfsBase(
  { path }: Extract<BaseSource, { kind: "rootfs" }>,
  request: BaseRequest,
  context: BuildContext,
): Promise<Base> {
  const { recipeFolder, work } = request;
  const { signal, progress } = context;
  const at = resolve(recipeFolder, path);
  const origin = basename(at);
  const isFolder = (await kindOfBase("rootfs", at, recipeFolder)) === "folder";
  const file = isFolder ? join(work, "rootfs.tar") : at;
  const hex = await progress.step(isFolder ? `pack ${origin}` : `check ${origin}`, async () => {
    if (isFolder) await packFolder(at, work, context);
    return await sha256File(file);
  });
  return await mergedBase(
    {
      title: `read ${origin}`,
      ...{ inputs: `sha256:${hex}`, whiteouts: false, created: undefined },
      layers: async (note) => {
        const compression = await compressionOfFile(file, signal);
        if (compression === "xz" || compression === "bzip2") {
          note("decompressing");
          const plain = await plainFile(origin, file, work, context);
          return [archiveOfFile(origin, plain, { size: await fileSize(plain) }, signal)];
        }
        const archive = archiveOfFile(origin, file, { size: await fileSize(file) }, signal);
        // What is read is what the digest was of, also when the file is replaced meanwhile.
        return [{ ...archive, read: () => checked(origin, archive.read(), { algorithm: "sha256", hex }) }];
      },
    },
    request,
    context,
  );
}

/** A tar whose bytes depend on the folder alone: not on times of access, and not on what is mounted below it. */
async function packFolder(folder: string, work: string, { tools, signal }: BuildContext): Promise<void> {
  const packing = tools.run(
    [
      ...(["tar", "--create", "--file=/run/work/rootfs.tar", "--directory=/run/rootfs", "--format=posix"] as const),
      ...["--sort=name", "--numeric-owner", "--xattrs", "--xattrs-include=*", "--one-file-system", "--warning=no-file-ignored"],
      ...["--pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime"],
      ...["dev", "proc", "sys", "run"].map((name) => `--exclude=./${name}/*`),
      ".",
    ],
    {
      binds: [
        { source: folder, target: "/run/rootfs" },
        { source: work, target: "/run/work", writable: true },
      ],
      ...{ anyOwner: true, signal },
    },
  );
  await packing.catch((cause: unknown) => {
    signal?.throwIfAborted();
    throw toolFailed(
      "tar",
      `${folder} could not be packed`,
      cause,
      "Every file of it must be readable for you, and stay as it is meanwhile.",
    );
  });
}
