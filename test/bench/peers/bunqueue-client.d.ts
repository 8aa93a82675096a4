// What the driver uses of bunqueue, which is not installed here.
declare module "bunqueue/client" {
  interface Connection {
    readonly host: string;
    readonly port: number;
  }
  type Payload = { text: string };
  export class Queue {
    constructor(name: string, options: { readonly connection: Connection });
    add(name: string, data: Payload): Promise<unknown>;
    addBulk(jobs: readonly { readonly name: string; readonly data: Payload }[]): Promise<unknown>;
    pauseAsync(): Promise<void>;
    resumeAsync(): Promise<void>;
  }
  export class Worker {
    constructor(
      name: string,
      handler: (job: { readonly data: Payload }) => Promise<unknown>,
      options: { readonly connection: Connection; readonly concurrency: number; readonly batchSize: number },
    );
  }
}
