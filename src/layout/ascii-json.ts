/** @portable JSON without any character but those of ASCII: a character is a byte, whoever reads it. */

/** In one line. @param value as JSON.stringify takes it */
export const asciiJson = (value: unknown): string =>
  JSON.stringify(value).replaceAll(/[^\u0020-\u007e]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);
