/** @portable `locale` and `keyboard`. */
import type { NodeConfig } from "../node-config.ts";
import type { ImageView } from "./image-view.ts";
import { gone, markedFile, type Draft, type Part } from "./part.ts";

const LOCALE = /^[A-Za-z0-9_.@-]{1,64}$/;
const KEYBOARD_WORD = /^[A-Za-z0-9_,:()+-]{0,100}$/;
/** Compiled into every C library. */
const ALWAYS = ["C", "POSIX", "C.UTF-8", "C.utf8"];
const LOCALES = "/usr/lib/locale";

export function compileLocale({ locale }: NodeConfig, view: ImageView): Part {
  if (locale === undefined) return {};
  const key = "locale";
  if (!LOCALE.test(locale)) return { unsupported: [{ key, problem: "is no name of a locale, such as en_GB.UTF-8" }] };
  if (!hasLocale(locale, view)) {
    const hint = "Generate it in the recipe: with Debian, the package locales-all, or locales and its settings.";
    return { unsupported: [{ key, problem: `the image has no locale ${locale}`, hint }] };
  }
  const lines = [`LANG=${locale}`];
  return {
    drafts: [
      markedFile(key, "/etc/locale.conf", lines),
      // Where PAM of Debian reads it.
      ...(view.has("/etc/default") ? [markedFile(key, "/etc/default/locale", lines)] : []),
      // Without PAM there is only the shell's; Alpine's own file begins with 20 and keeps what is set.
      ...(view.has("/etc/pam.d") ? [] : [markedFile(key, "/etc/profile.d/10-petrify-locale.sh", [`export LANG=${locale}`])]),
    ],
  };
}

/** An archive holds names that only the C library can list: with one, anything may be there. */
function hasLocale(locale: string, view: ImageView): boolean {
  if (ALWAYS.includes(locale)) return true;
  if (view.list("/lib").some((name) => name.startsWith("ld-musl-")) || view.has(`${LOCALES}/locale-archive`)) return true;
  const [, name = "", charset = "", modifier = ""] = /^([^.@]+)(?:\.([^@]+))?(@.+)?$/.exec(locale) ?? [];
  const short = charset.toLowerCase().replaceAll(/[^a-z0-9]/g, "");
  return [locale, `${name}${short && `.${short}`}${modifier}`].some((folder) => view.has(`${LOCALES}/${folder}`));
}

export function compileKeyboard({ keyboard }: NodeConfig, view: ImageView): Part {
  if (!keyboard) return {};
  const key = "keyboard";
  const { layout, model = "pc105", variant = "", options = "" } = keyboard;
  if (![layout, model, variant, options].every((word) => KEYBOARD_WORD.test(word)) || layout === "")
    return { unsupported: [{ key, problem: "must be words of xkeyboard-config(7), such as de or us,ru" }] };
  const xkb = [`XKBMODEL="${model}"`, `XKBLAYOUT="${layout}"`, `XKBVARIANT="${variant}"`, `XKBOPTIONS="${options}"`];
  const keymap = layout.split(",")[0]!;
  const drafts: Draft[] = [
    ...(view.has("/usr/bin/setupcon")
      ? [
          markedFile(key, "/etc/default/keyboard", [...xkb, 'BACKSPACE="guess"']),
          // It was made of the image's keyboard, and counts before the file.
          gone(key, "/etc/console-setup/cached_setup_keyboard.sh"),
        ]
      : []),
    ...(view.init === "systemd" && view.has("/usr/lib/systemd/systemd-vconsole-setup")
      ? [markedFile(key, "/etc/vconsole.conf", [`KEYMAP=${keymap}`, ...xkb])]
      : []),
    ...(view.has("/etc/init.d/keymaps") ? [markedFile(key, "/etc/conf.d/keymaps", [`keymap="${keymap}"`])] : []),
  ];
  if (drafts.length > 0) return { drafts };
  const hint = "Put console-setup, or kbd, into the recipe.";
  return { unsupported: [{ key, problem: "the image has no program that sets the console's keys", hint }] };
}
