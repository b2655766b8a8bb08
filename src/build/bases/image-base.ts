import { basename, resolve } from "node:path";
import { AppError } from "../../core/error.ts";
import type { BaseSource } from "../../config/base.ts";
import type { Base, BaseRequest } from "../base.ts";
import type { BuildContext } from "../context.ts";
import { folderOfBlobs, tarOfBlobs } from "./blobs.ts";
import { dockerImage } from "./docker-image.ts";
import { kindOfBase, mergedBase } from "./merged-base.ts";
import { ociImage } from "./oci-image.ts";
import { plainFile } from "./plain-tar.ts";

type ImageSource = Extract<BaseSource, { kind: "oci" | "ociArchive" | "dockerArchive" }>;

/** The base that a container image makes. @throws AppError `BASE_MISSING`, `BASE_INVALID`, `BASE_DAMAGED`, `ARCHIVE_REFUSED` */
export async function imageBase({ kind, path, tag }: ImageSource, request: BaseRequest, context: BuildContext): Promise<Base> {
  const at = resolve(request.recipeFolder, path);
  const found = await kindOfBase(kind, at, request.recipeFolder);
  const expected = kind === "oci" ? "folder" : "file";
  if (found !== expected) {
    throw new AppError("BASE_INVALID", `base.${kind}: ${at} is a ${found}`, {
      hint:
        found === "folder" ? "A folder with an image layout is `base.oci`." : "A tar of an image layout is `base.ociArchive`.",
    });
  }
  const origin = basename(at);
  const blobs =
    kind === "oci"
      ? folderOfBlobs(origin, at, context.signal)
      : await tarOfBlobs(origin, await plainFile(origin, at, request.work, context), context.signal);
  const { digest, created, layers } = kind === "dockerArchive" ? await dockerImage(blobs, tag) : await ociImage(blobs, tag);
  return await mergedBase(
    { title: `read the image ${origin}`, inputs: digest, whiteouts: true, created, layers },
    request,
    context,
  );
}
