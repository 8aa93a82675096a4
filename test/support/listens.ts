/**
 * What a server says when it listens, with its URL: in a line of the log, as text at a terminal, and as the servers before
 * them did.
 */
export const LISTENS = /(?:listens on |"url":")(https?:\/\/[^\s"]+)/;
