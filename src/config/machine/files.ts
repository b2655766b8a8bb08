/** @portable Files that a machine config brings. */
import { z } from "zod";
import { AbsolutePath } from "../words.ts";
import * as words from "./words.ts";

const ENCODINGS = [
  "text/plain",
  ...["b64", "base64"],
  ...["gz", "gzip", "gz+b64", "gz+base64", "gzip+b64", "gzip+base64"],
] as const;
type Encoding = (typeof ENCODINGS)[number];
export const isPacked = (encoding: Encoding | undefined): boolean => encoding?.startsWith("gz") ?? false;
export const isBase64Encoding = (encoding: Encoding | undefined): boolean => encoding !== undefined && encoding !== "text/plain";

const content = words.Text.optional().meta({ ...words.secret, description: "What is in it; default: nothing" });
const encoding = z
  .enum(ENCODINGS)
  .optional()
  .describe("How `content` is written; default: as it is. What is packed (gz) is written in base64 here");

const Source = z.strictObject({
  uri: words.Url.meta({ ...words.secret, description: "http or https" }),
  headers: words.Headers.optional().describe("Header fields of the request"),
  sha256: words.Sha256.optional().describe("What comes must have it"),
});

/** Digits that are none are found here, so that a place can be named. */
function judgeContent(file: { content?: string | undefined; encoding?: Encoding | undefined }, context: z.RefinementCtx): void {
  if (file.content === undefined || !isBase64Encoding(file.encoding) || words.isBase64(file.content)) return;
  context.addIssue({ code: "custom", path: ["content"], message: `must be base64, as encoding: ${file.encoding} says` });
}

/** Where the image cannot be written to anyway. */
const IMAGE = ["/usr", "/bin", "/sbin", "/lib", "/lib64", "/lib32", "/libx32", "/boot", "/efi", "/proc", "/sys", "/dev"];
const FilePath = AbsolutePath.superRefine((path, context) => {
  if (path === "/") context.addIssue({ code: "custom", message: "is a folder" });
  const folder = IMAGE.find((one) => path === one || path.startsWith(`${one}/`));
  if (folder === undefined || path.startsWith("/usr/local/")) return;
  context.addIssue({
    code: "custom",
    message: `lies in ${folder}, which is part of the image and read-only: put it below /etc, /usr/local or /var, or into the recipe`,
  });
});

export const File = z
  .strictObject({
    path: FilePath.describe("Where it goes, as a full path; not below /usr (but /usr/local), which is the image's"),
    content,
    encoding,
    source: Source.optional().describe("In place of `content`: where it comes from"),
    owner: words.Owner.optional().describe("user:group; default: root:root"),
    permissions: words.FileMode.optional().describe('Permission bits, octal in quotes; default: "0644"'),
    append: z.boolean().optional().describe("After what the image has there; default: false"),
    defer: z.boolean().optional().describe("Only after users were made; default: false"),
  })
  .superRefine((file, context) => {
    judgeContent(file, context);
    if (file.source && file.content !== undefined)
      context.addIssue({ code: "custom", path: ["content"], message: "is there beside source: one of them is too much" });
  });
export type FileFields = z.output<typeof File>;

const owner = {
  owner: z
    .union([z.int().min(0).transform(String), words.Line])
    .optional()
    .describe("Name or number of a user; default: root"),
  group: z
    .union([z.int().min(0).transform(String), words.Line])
    .optional()
    .describe("Name or number of a group; default: root"),
  owner_string: words.Owner.optional().describe("user:group, in place of both"),
};
interface OwnerFields {
  readonly owner?: string | undefined;
  readonly group?: string | undefined;
  readonly owner_string?: string | undefined;
}
export const ownerOf = ({ owner: user, group, owner_string: both }: OwnerFields): string =>
  both ?? (user?.includes(":") ? user : `${user ?? "root"}:${group ?? "root"}`);

const permissions = words.FileMode.optional();

/** As yip's steps have them. */
export const StepFile = z
  .strictObject({
    path: FilePath.describe("Where it goes, as a full path"),
    content,
    encoding,
    permissions: permissions.describe('Permission bits, octal in quotes; default: "0644"'),
    ...owner,
  })
  .superRefine(judgeContent);
export const StepFolder = z.strictObject({
  path: FilePath.describe("The folder"),
  permissions: permissions.describe('Permission bits, octal in quotes; default: "0755"'),
  ...owner,
});
export const Download = z.strictObject({
  path: FilePath.describe("Where it goes, as a full path"),
  url: words.Url.meta({ ...words.secret, description: "Where it comes from" }),
  sha256: words.Sha256.optional().describe("What comes must have it"),
  permissions: permissions.describe('Permission bits, octal in quotes; default: "0644"'),
  ...owner,
});
