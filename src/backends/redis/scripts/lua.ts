/** Marks Lua for editors. */
export const lua = String.raw;
