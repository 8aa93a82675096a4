import { type Placed, PlacedHeap } from "../../../core/stores/placed-heap.js";
import { compareReady } from "../../../model/queue/order.js";
import type { QueueOrdering } from "../../../model/queue/queue.js";
import type { JobRecord, RareFields } from "../records/job-record.js";
import { ReadyLine } from "./ready-line.js";

/** A key whose turn is remembered though it has no jobs, until the queue has come to it. */
export interface IdleKey<Queue> {
  readonly key: KeyState<Queue>;
  readonly turn: number;
  live: boolean;
}

/** A key of a queue that has jobs that stand in line or run, or whose turn is remembered. */
export class KeyState<Queue> {
  /** Number of its RUNNING jobs. */
  running = 0;
  /** Its place among the keys that run jobs. */
  runningAt = 0;
  /** Whether it runs as many as it may: its lines are held back. */
  isFull = false;
  /** Its virtual time: when it comes next, counted in jobs that each key was given. */
  turn = 0;
  /** When it came to have jobs that are ready: decides between keys of the same turn. */
  arrival = 0;
  /** One line for each type of which it has jobs in line: those that are in heaps, and those that are out of them. */
  readonly shown: KeyedLine<Queue>[] = [];
  readonly hidden: KeyedLine<Queue>[] = [];
  idle: IdleKey<Queue> | undefined;

  constructor(
    readonly name: string,
    /** Shared by its jobs that have a key and nothing else that is rare. */
    readonly rare: RareFields,
  ) {}
}

/** The jobs of one type and one key. There is none without jobs. */
export class KeyedLine<Queue> extends ReadyLine<Queue> implements Placed {
  heapAt = -1;
  /** Its first job. */
  head: JobRecord<Queue> | undefined;
  /** The turn of its key when it was last looked at: the key's own may be later, and is never earlier. */
  turn = 0;
  /** Its place among the lines of its key that are shown, or hidden. */
  at = 0;

  constructor(
    type: string,
    readonly key: KeyState<Queue>,
    /** The lines of its type. */
    readonly of: KeyedLines<Queue>,
  ) {
    super(type);
  }

  /** Whether leases come across it. */
  get isShown(): boolean {
    return this.heapAt >= 0;
  }
}

function append<Queue>(lines: KeyedLine<Queue>[], line: KeyedLine<Queue>): void {
  line.at = lines.push(line) - 1;
}

function remove<Queue>(lines: KeyedLine<Queue>[], line: KeyedLine<Queue>): void {
  const last = lines.pop() as KeyedLine<Queue>;
  if (last === line) return;
  last.at = line.at;
  lines[line.at] = last;
}

/** Compares two keys whose turn it is: by the turn, then by which of them came first. */
export function compareTurns<Queue>(a: KeyedLine<Queue>, b: KeyedLine<Queue>): number {
  return a.turn - b.turn || a.key.arrival - b.key.arrival;
}

/**
 * The jobs of one type that stand in lines of their keys. Those of the keys that may run a job now are in a heap, by what the
 * ordering says; those of the others are out of it, so that nobody comes across them.
 */
export class KeyedLines<Queue> {
  readonly byKey = new Map<string, KeyedLine<Queue>>();
  readonly heap: PlacedHeap<KeyedLine<Queue>>;
  /** Number of jobs in the lines of the heap. */
  ready = 0;

  constructor(readonly ordering: QueueOrdering) {
    this.heap = new PlacedHeap(
      ordering === "FAIR"
        ? compareTurns
        : (a, b) => compareReady(ordering, a.head as JobRecord<Queue>, b.head as JobRecord<Queue>),
    );
  }

  /** The line of a key, made if there is none: hidden then. */
  lineOf(type: string, key: KeyState<Queue>): KeyedLine<Queue> {
    let line = this.byKey.get(key.name);
    if (line === undefined) {
      line = new KeyedLine(type, key, this);
      this.byKey.set(key.name, line);
      append(key.hidden, line);
    }
    return line;
  }

  /** Lets leases come across a line. */
  show(line: KeyedLine<Queue>): void {
    const { key } = line;
    remove(key.hidden, line);
    append(key.shown, line);
    line.turn = key.turn;
    this.ready += line.count;
    this.heap.push(line);
  }

  /** Takes a line out, whose key may run no job now. */
  hide(line: KeyedLine<Queue>): void {
    remove(line.key.shown, line);
    append(line.key.hidden, line);
    this.ready -= line.count;
    this.heap.remove(line);
  }

  /** Forgets an empty line. */
  drop(line: KeyedLine<Queue>): void {
    const { key } = line;
    remove(line.isShown ? key.shown : key.hidden, line);
    if (line.isShown) this.heap.remove(line);
    this.byKey.delete(key.name);
  }
}
