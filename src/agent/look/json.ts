/** Values of messages in their JSON form. Source: https://protobuf.dev/programming-guides/json/ */

/** google.protobuf.Duration. @param seconds 0 or more */
export const durationJson = (seconds: number): string => `${Number(seconds.toFixed(3))}s`;

/** google.protobuf.Timestamp. @param seconds since 1970 */
export const timestampJson = (seconds: number): string => new Date(Math.round(seconds * 1000)).toISOString();

/** uint64. */
export const wholeJson = (number: number): string => String(number);
