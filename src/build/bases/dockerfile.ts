import { dirname, join, resolve } from "node:path";
import { AppError } from "../../core/error.ts";
import type { BaseSource } from "../../config/base.ts";
import { fileExists, makeFolder, writeText } from "../../host/files.ts";
import { newestTime } from "../../host/newest-time.ts";
import { processLimits, type ProcessLimits } from "../../host/process-limits.ts";
import { rootFs } from "../../host/rootfs.ts";
import { CommandError } from "../../host/run.ts";
import type { BuildContext } from "../context.ts";

export type DockerfileSource = Extract<BaseSource, { kind: "dockerfile" }>;

interface DockerfileRequest {
  /** Where relative paths of the recipe start. */
  readonly recipeFolder: string;
  /** Seconds since 1970, of everything that the Dockerfile adds; default: when the newest file of the context was changed. */
  readonly time: number | undefined;
  /** An existing folder for intermediate files. */
  readonly work: string;
}

/** How the image is called in the layout that is made. */
const TAG = "base";
const SHOWN_LINES = 12;
/** More is of no use, and only slows down what closes all descriptors that it could have. */
const MOST = 1024 ** 2;

/**
 * Builds a Dockerfile with buildah, without a daemon: steps run in a chroot of the sandbox, with the host's network.
 *
 * Everything that buildah keeps lies in the work folder. The same Dockerfile, context, arguments and time give the same layers, as far as
 * the Dockerfile's own commands do.
 *
 * @returns an OCI image layout in the work folder, and the tag of the image in it
 * @throws AppError `DOCKERFILE_MISSING`, `DOCKERFILE_FAILED` with the last lines of the build
 */
export async function buildDockerfile(
  source: DockerfileSource,
  { recipeFolder, time, work }: DockerfileRequest,
  context: BuildContext,
): Promise<{ readonly layout: string; readonly tag: string }> {
  const file = resolve(recipeFolder, source.path);
  const folder = source.context === undefined ? dirname(file) : resolve(recipeFolder, source.context);
  for (const [key, path] of [["dockerfile", file] as const, ["context", folder] as const]) {
    if (await fileExists(path)) continue;
    throw new AppError("DOCKERFILE_MISSING", `base.${key}: there is nothing at ${path}`, {
      hint: `Paths are relative to the recipe: ${recipeFolder}.`,
    });
  }
  const tools = await context.containerTools();
  const at = await prepare(join(work, "buildah"), source);
  const layout = join(work, "dockerfile");
  const dated = time ?? (await newestTime([file, folder]));
  await context.progress.step(`build ${source.path}`, async (note) => {
    const last: string[] = [];
    const onLine = (line: string): void => {
      if (line.trim() === "") return;
      note(line);
      last.push(line);
      if (last.length > SHOWN_LINES) last.shift();
    };
    await tools
      .run(
        [
          ...(["buildah", "--root", at.storage, "--runroot", at.run, "--storage-driver", "vfs", "build"] as const),
          // Without namespaces of its own, which the sandbox has given it already.
          ...["--isolation", "chroot", "--network", "host", ...ulimits(await processLimits())],
          ...["--timestamp", String(dated), "--file", file, "--build-arg-file", at.args],
          ...(source.target === undefined ? [] : ["--target", source.target]),
          ...["--tag", `oci:${layout}:${TAG}`, folder],
        ],
        {
          binds: [
            { source: folder },
            { source: dirname(file) },
            { source: work, writable: true },
            // Locks of the list of short names. Without them no image is found by its name.
            { source: at.cache, target: "/var/cache", writable: true },
          ],
          env: { TMPDIR: at.temporary, CONTAINERS_CONF: at.engine, CONTAINERS_REGISTRIES_CONF: at.registries },
          ...{ network: true, anyOwner: true, cwd: folder, signal: context.signal, keepOutput: 65_536, onLine },
        },
      )
      .catch((cause: unknown) => {
        context.signal?.throwIfAborted();
        if (!(cause instanceof CommandError)) throw cause;
        throw new AppError("DOCKERFILE_FAILED", [`${source.path} could not be built:`, ...last].join("\n"), {
          hint: "Correct the step that failed. FROM takes an image of a registry, or a folder below the context: `FROM oci:FOLDER:TAG`.",
          cause,
        });
      });
    // The layers are in the layout: the storage has each of them unpacked, and on top of each other.
    await tools.run(["rm", "--recursive", "--force", at.folder], {
      binds: [{ source: work, writable: true }],
      anyOwner: true,
      signal: context.signal,
    });
  });
  return { layout, tag: TAG };
}

/** What buildah finds in its folder: settings of its own and empty folders, nothing of the host's. */
async function prepare(folder: string, { args }: DockerfileSource) {
  const at = (name: string): string => join(folder, name);
  for (const name of ["storage", "run", "temporary", "cache", "helpers"]) await makeFolder(at(name));
  // buildah looks for this program before it knows that no network is to be made.
  await rootFs(folder).link("/helpers/netavark", "/usr/bin/false");
  await writeText(at("containers.conf"), `[engine]\nhelper_binaries_dir = [${JSON.stringify(at("helpers"))}]\n`);
  // As Docker reads a name without a registry.
  await writeText(at("registries.conf"), 'unqualified-search-registries = ["docker.io"]\nshort-name-mode = "disabled"\n');
  // In a file: values are not to be read in lists of processes and in errors.
  await writeText(
    at("args"),
    Object.entries(args)
      .map(([name, value]) => `${name}=${value}\n`)
      .join(""),
  );
  return {
    ...{ folder, storage: at("storage"), run: at("run"), temporary: at("temporary"), cache: at("cache") },
    ...{ engine: at("containers.conf"), registries: at("registries.conf"), args: at("args") },
  };
}

/** buildah would ask for limits of its own, which nobody but a privileged root may have. */
export const ulimits = ({ files, processes }: ProcessLimits): string[] =>
  Object.entries({ nofile: files, nproc: processes }).flatMap(([name, hard]) => {
    const most = Math.min(hard, MOST);
    return ["--ulimit", `${name}=${name === "nofile" ? Math.min(most, 1024) : most}:${most}`];
  });
