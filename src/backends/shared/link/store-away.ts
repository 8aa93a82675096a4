/** The process that keeps the jobs cannot be reached, or is another version. The message says what is wrong. */
export class SharedStoreUnusable extends Error {
  override readonly name = "SharedStoreUnusable";
}
