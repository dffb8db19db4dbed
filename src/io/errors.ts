/** A fault in what the user gave us (file, option, table). The message says what was wrong, with the value, and what to do. */
export class InputError extends Error {
  override name = 'InputError'
}
