import { unhex, utf8, type Bytes } from "../../src/encoding/bytes.js";

/** One case of a file of vectors. It remembers what was read, so that nothing in it is passed over. */
export class Case {
  readonly #fields: Readonly<Record<string, unknown>>;
  readonly #read = new Set(["name", "kind", "want"]);

  constructor(fields: unknown) {
    if (typeof fields !== "object" || fields === null) throw new TypeError("reading a case: not an object");
    this.#fields = { ...fields };
  }

  get name(): string {
    return this.text("name");
  }

  /** Empty in files of one kind. */
  get kind(): string {
    return this.has("kind") ? this.text("kind") : "";
  }

  /** A case without it is good. */
  get want(): string {
    return this.has("want") ? this.text("want") : "ok";
  }

  /** Fields that no reader asked for. */
  get unread(): string[] {
    return Object.keys(this.#fields).filter((name) => !this.#read.has(name));
  }

  has(name: string): boolean {
    return this.#fields[name] !== undefined;
  }

  text(name: string): string {
    const value = this.#take(name);
    if (typeof value !== "string") throw new TypeError(`reading ${name}: not text`);
    return value;
  }

  /** Bytes written in hexadecimal; none where the field is left out. */
  bytes(name: string): Bytes {
    return unhex(String(this.#take(name) ?? ""));
  }

  ascii(name: string): Bytes {
    return utf8(this.text(name));
  }

  number(name: string): number {
    const value = this.#take(name);
    if (typeof value !== "number") throw new TypeError(`reading ${name}: not a number`);
    return value;
  }

  flag(name: string): boolean {
    const value = this.#take(name);
    if (typeof value !== "boolean") throw new TypeError(`reading ${name}: not a boolean`);
    return value;
  }

  /** A list; empty where there is none. */
  list(name: string): unknown[] {
    const value = this.#take(name) ?? [];
    if (!Array.isArray(value)) throw new TypeError(`reading ${name}: not a list`);
    return value;
  }

  cases(name: string): Case[] {
    return this.list(name).map((fields) => new Case(fields));
  }

  byteList(name: string): Bytes[] {
    return this.list(name).map((text) => unhex(String(text)));
  }

  map(name: string): Map<string, Bytes> {
    const value = this.#take(name);
    if (typeof value !== "object" || value === null) throw new TypeError(`reading ${name}: not an object`);
    return new Map(Object.entries(value).map(([key, text]) => [key, unhex(String(text))]));
  }

  #take(name: string): unknown {
    this.#read.add(name);
    return this.#fields[name];
  }
}

/** Opens a good case and compares what comes out; throws the Refusal of any other. */
export type Reader = (c: Case) => void | Promise<void>;

/** Readers of a file's cases, by kind. */
export type Readers = Readonly<Record<string, Reader>>;
