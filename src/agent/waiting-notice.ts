/** What a machine that waits for an owner says on its consoles. Pure. */
import { API_PORT } from "../layout/api-places.ts";
import { qrText } from "../layout/qr-code.ts";

/** Above the login prompts, besides what the image says there. Source: agetty(8), "ISSUE FILES" */
export const ISSUE_FILE = "/run/issue.d/petrify.issue";

/** Of the kernel's log, which every console shows. */
export const noticeLine = (fingerprint: string): string =>
  `this machine waits for its owner at port ${API_PORT}; its key is ${fingerprint}`;

/**
 * Agetty puts the machine's addresses in. Source: agetty(8), "ISSUE ESCAPES"
 *
 * @param isGivenBack it takes an owner that has its recovery token
 */
export const issueText = (fingerprint: string, isGivenBack: boolean): string =>
  [
    `This machine waits for its owner: petrify apply-config --insecure \\4`,
    `(or \\6), port ${API_PORT}. Compare its key with the one that is shown there:`,
    isGivenBack ? "(It was given back by its recovery token: add --recovery-token-file.)" : "",
    `    ${fingerprint}`,
    qrText(fingerprint),
    "",
  ].join("\n");
