/** The part of jsfive that is used; the package has no types of its own. */
declare module 'jsfive' {
  export interface Dataset {
    readonly shape: number[]
    readonly dtype: unknown
    /** Numbers or texts, last axis fastest. */
    readonly value: ArrayLike<unknown>
  }
  export interface Group {
    readonly keys: string[]
    readonly attrs: Readonly<Record<string, unknown>>
    /** Throws a text when there is no such member. */
    get(path: string): Group | Dataset | null
  }
  export interface File extends Group {}
  export const File: new (bytes: ArrayBuffer, name: string) => File
}
