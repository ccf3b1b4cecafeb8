// What fields a structure has: arrays of exactly the listed fields, in order.
import { demand } from "../refusal.js";
import { decode, encode, type Value } from "./cbor.js";
import type { Bytes } from "./bytes.js";

/** Takes a decoded value as a T, or refuses it as malformed; and gives it back for encoding. */
export interface Shape<T> {
  read(v: Value): T;
  write(x: T): Value;
}

/** The type that a shape reads. */
export type Read<S> = S extends Shape<infer T> ? T : never;

const limit = 1n << 63n;

export const uint: Shape<bigint> = {
  read(v) {
    demand(typeof v === "bigint" && v >= 0n, "malformed", "reading an unsigned number");
    return v;
  },
  write: (x) => x,
};

export const int: Shape<bigint> = {
  read(v) {
    demand(typeof v === "bigint" && v >= -limit && v < limit, "malformed", "reading an integer of 64 bits");
    return v;
  },
  write: (x) => x,
};

export const flag: Shape<boolean> = {
  read(v) {
    demand(typeof v === "boolean", "malformed", "reading a boolean");
    return v;
  },
  write: (x) => x,
};

export const text: Shape<string> = {
  read(v) {
    demand(typeof v === "string", "malformed", "reading text");
    return v;
  },
  write: (x) => x,
};

export const bytes: Shape<Bytes> = {
  read(v) {
    demand(v instanceof Uint8Array, "malformed", "reading bytes");
    return v;
  },
  write: (x) => x,
};

/** Bytes of exactly this size: ids, hashes, keys. */
export function fixed(size: number): Shape<Bytes> {
  return {
    read(v) {
      demand(v instanceof Uint8Array && v.length === size, "malformed", `reading ${size} bytes`);
      return v;
    },
    write: (x) => x,
  };
}

export const id = fixed(32);

export function list<T>(element: Shape<T>): Shape<readonly T[]> {
  return {
    read(v) {
      demand(Array.isArray(v), "malformed", "reading a list");
      return v.map((e: Value) => element.read(e));
    },
    write: (x) => x.map((e) => element.write(e)),
  };
}

/** An array of exactly these fields, in the order in which they are written here. */
export function record<T extends object>(fields: { readonly [K in keyof T]: Shape<T[K]> }): Shape<T> {
  const names = Object.keys(fields) as (keyof T)[];
  return {
    read(v) {
      demand(Array.isArray(v) && v.length === names.length, "malformed", `reading ${names.length} fields`);
      const values: readonly Value[] = v;
      return Object.fromEntries(names.map((name, i) => [name, fields[name].read(values[i]!)])) as T;
    },
    write: (x) => names.map((name) => fields[name].write(x[name])),
  };
}

export const parse = <T>(shape: Shape<T>, b: Bytes): T => shape.read(decode(b));

export const format = <T>(shape: Shape<T>, x: T): Bytes => encode(shape.write(x));
