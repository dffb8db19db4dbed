/**
 * A 5x7 bitmap font for ASCII 32 to 126.
 *
 * Each glyph is seven base-32 digits, one a row from the top; the five bits of a digit are the pixels from the left
 * (g = #...., 1 = ....#, v = #####).
 */

/** These hang below the line by DESCENT rows. */
const DESCENDERS = 'gpqy'
const DESCENT = 2

export const GLYPH_WIDTH = 5
export const GLYPH_HEIGHT = 7

const ROWS = (
  '0000000 4444404 aa00000 aavavaa 4fke5u4 op248j3 cik8lid 4400000 2488842 8422248 04lel40 044v440 0000c48 000v000 ' +
  '00000cc 01248g0 ehjlphe 4c4444e eh1248v v2421he 26aiv22 vgu11he 68guhhe v124888 ehhehhe ehhf12c 0cc0cc0 0cc0c48 ' +
  '248g842 00v0v00 8421248 eh12404 eh1dlle ehhvhhh uhhuhhu ehggghe ' +
  'sihhhis vgguggv vgguggg ehgnhhf hhhvhhh e44444e 72222ic hikokih ggggggv hrllhhh hhpljhh ehhhhhe uhhuggg ehhhlid ' +
  'uhhukih fgge11u v444444 hhhhhhe hhhhha4 hhhllla hha4ahh hhha444 v1248gv e88888e 0g84210 e22222e 4ah0000 000000v ' +
  '8420000 00e1fhf ggmphhu 00eghhe 11djhhf 00ehvge 698s888 fhhhf1e ggmphhh 40c444e 20622ic ggikoki c44444e 00qllhh ' +
  '00mphhh 00ehhhe uhhhugg fhhhf11 00mpggg 00ege1u 88s8896 00hhhjd 00hhha4 00hhlla 00ha4ah hhhhf1e 00v248v 2448442 ' +
  '4444444 8442448 08l2000'
).split(' ')

/** The seven rows of a character as 5-bit numbers, leftmost pixel highest; '?' for a character outside ASCII. */
export function glyphRows(character: string): number[] {
  const rows = ROWS[character.charCodeAt(0) - 32] ?? ROWS['?'.charCodeAt(0) - 32]!
  return [...rows].map((digit) => Number.parseInt(digit, 32))
}

/** By how many rows a character is drawn lower than the others. */
export function descent(character: string): number {
  return DESCENDERS.includes(character) ? DESCENT : 0
}
