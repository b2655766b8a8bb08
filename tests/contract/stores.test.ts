import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openStore } from "../../src/registry/open-store.ts";
import { parseReference } from "../../src/registry/reference.ts";
import type { ImageStore } from "../../src/registry/store.ts";
import { testRegistry, type RegistryOptions } from "../support/registry.ts";
import { storeContract, testContext } from "../support/store-contract.ts";
import { webFolder } from "../support/web-folder.ts";

storeContract("a folder", async () => {
  const folder = await mkdtemp(join(tmpdir(), "petrify-layout-"));
  const context = testContext();
  return {
    store: openStore(parseReference(`oci:${folder}/layout`), context),
    [Symbol.asyncDispose]: async () => {
      context[Symbol.dispose]();
      await rm(folder, { recursive: true });
    },
  };
});

storeContract("an archive", async () => {
  const folder = await mkdtemp(join(tmpdir(), "petrify-archive-"));
  const context = testContext();
  return {
    store: openStore(parseReference(`oci-archive:${folder}/new/os.tar`), context),
    [Symbol.asyncDispose]: async () => {
      context[Symbol.dispose]();
      await rm(folder, { recursive: true });
    },
  };
});

for (const ranges of [true, false]) {
  storeContract(`a folder on an HTTP server ${ranges ? "with" : "without"} ranges, which is filled where it lies`, async () => {
    const folder = await mkdtemp(join(tmpdir(), "petrify-web-"));
    const context = testContext();
    const { url, [Symbol.asyncDispose]: close } = await webFolder(folder, { ranges });
    const own = openStore(parseReference(`oci:${folder}`), context);
    // What a store has read stays: each question is another command's.
    const web = (): ImageStore => openStore(parseReference(url), context);
    return {
      store: {
        ...own,
        headManifest: async (...about) => await web().headManifest(...about),
        getManifest: async (...about) => await web().getManifest(...about),
        tags: (...about) => web().tags(...about),
        hasBlob: async (...about) => await web().hasBlob(...about),
        getBlob: (...about) => web().getBlob(...about),
        readBlob: (...about) => web().readBlob(...about),
        referrers: async (...about) => await web().referrers(...about),
      },
      [Symbol.asyncDispose]: async () => {
        context[Symbol.dispose]();
        await close();
        await rm(folder, { recursive: true });
      },
    };
  });
}

const auth = { user: "me", password: "s3cret word" } as const;
const REGISTRIES: Readonly<Record<string, RegistryOptions & { readonly chunk?: number }>> = {
  "a registry": {},
  "a registry without the API for referrers, and with small pages": { referrers: false, pageSize: 2 },
  "a registry that takes pieces, and has small pages": { chunk: 64_000, pageSize: 2 },
  "a registry with passwords, and without ranges": { auth: { kind: "basic", ...auth }, ranges: false },
  "a registry with tokens that end soon": { auth: { kind: "bearer", ...auth }, tokenUses: 20, chunk: 64_000 },
};
for (const [name, { chunk, ...options }] of Object.entries(REGISTRIES)) {
  storeContract(name, async () => {
    const registry = await testRegistry(options);
    const context = testContext({
      credentials: async () => ({ kind: "password", ...auth }),
      ...(chunk === undefined ? {} : { chunk }),
    });
    return {
      store: openStore(parseReference(`http://${registry.host}/team/os`), context),
      [Symbol.asyncDispose]: async () => {
        context[Symbol.dispose]();
        await registry[Symbol.asyncDispose]();
      },
    };
  });
}
