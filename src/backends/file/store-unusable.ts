/** The folder cannot be used, and waiting will not help. The message says what is wrong and what to do. */
export class StoreUnusable extends Error {
  override readonly name = "StoreUnusable";
}
