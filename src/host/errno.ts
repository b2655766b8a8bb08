import { getInt32 } from "node:ffi";

/** Source: asm-generic/errno-base.h, asm-generic/errno.h. ext4 says EUCLEAN for EFSCORRUPTED, and EBADMSG for EFSBADCRC. */
export const ERRNO = { ENOENT: 2, EIO: 5, EBUSY: 16, EINVAL: 22, ENOTTY: 25, EBADMSG: 74, EOPNOTSUPP: 95, EUCLEAN: 117 } as const;

/** For `dlopen`: where libc keeps the error of this thread's last call. Looked up before that call, since looking it up may fail too. */
export const ERRNO_PLACE = { __errno_location: { arguments: [], return: "pointer" } } as const;
/** At once after the call that has failed. @param place `__errno_location` of {@link ERRNO_PLACE} */
export const errnoAt = (place: () => bigint): number => getInt32(place(), 0);

/** Negative inside, as Node's own errors have it. */
export const errnoError = (message: string, errno: number): Error & { readonly errno: number } =>
  Object.assign(new Error(`${message} (error ${errno})`), { errno: -errno });

/** The number of what failed; 0 of anything else. */
export const errnoOf = (error: unknown): number => Math.abs((error as NodeJS.ErrnoException).errno ?? 0);
