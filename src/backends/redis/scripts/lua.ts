/** Marks a template as Lua, for editors; backslashes stay as they are. */
export const lua = String.raw;
