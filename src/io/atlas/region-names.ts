/**
 * Names of an atlas's labels, from the tables that atlases come with: BIDS dseg.tsv and other TSV or CSV with a header, lists
 * without one (AAL's .nii.txt and ROI_MNI_V*.txt, colour tables of FreeSurfer and ITK-SNAP), FSL's XML.
 */
import { parseTable } from '../cohort/table.ts'
import { InputError } from '../errors.ts'

export interface RegionName {
  /** The label in the volume. */
  readonly value: number
  readonly name: string
  /** A second number that some lists give, which may be the one that the volume has (AAL2: 1 Precentral_L 2001). */
  readonly code?: number
}

/** Headers of the columns with the label and with the name, the likeliest first. */
const VALUE_COLUMNS = [
  'index',
  'value',
  'roi_value',
  'label',
  'label_value',
  'id',
  'label_id',
  'number',
  'no',
  '#no',
  'key',
  'roi',
]
const NAME_COLUMNS = [
  'name',
  'roi_name',
  'label_name',
  'labelname',
  'region',
  'region_name',
  'structure',
  'label',
  'roi',
  'abbreviation',
]

/**
 * Reads a table of names. The format is told by the text. Label 0 is the background of every atlas and left out.
 * @param what how to call the table in error messages
 * @throws InputError for a text of no known kind, a label that is named twice, or no names at all
 */
export function parseRegionNames(text: string, what = 'the region table'): RegionName[] {
  const plain = text.replace(/^\uFEFF/, '')
  const all = /^\s*</.test(plain)
    ? fromXml(plain, what)
    : (fromSnap(plain) ?? fromList(plain) ?? fromColumns(plain, what))
  const names = new Map<number, RegionName>()
  for (const region of all) {
    if (region.value === 0) continue
    const known = names.get(region.value)
    if (known && known.name !== region.name) {
      throw new InputError(`${what} names label ${region.value} twice: ${known.name} and ${region.name}`)
    }
    names.set(region.value, region)
  }
  if (names.size === 0) throw new InputError(`${what} names no regions; it needs a whole number and a name a line`)
  return [...names.values()]
}

/** FSL's atlas description: the summary volume of a probabilistic atlas has label + 1. */
function fromXml(text: string, what: string): RegionName[] {
  if (!/<atlas[\s>]/.test(text)) throw new InputError(`${what} is XML, but no FSL atlas description: it has no <atlas>`)
  // `Probabalistic` is how some of FSL's own files spell it.
  const shift = /<type>\s*probab[ai]listic\s*<\/type>/i.test(text) ? 1 : 0
  return [...text.matchAll(/<label\s([^>]*)>([^<]*)<\/label>/g)].map(([, attributes, content]) => {
    const number = (name: string) => new RegExp(`(?:^|\\s)${name}\\s*=\\s*["'](\\d+)["']`).exec(attributes!)?.[1]
    const [value, index] = [number('value'), number('index')]
    const name = unescapeXml(content!).trim()
    if ((value ?? index) === undefined || name === '') {
      throw new InputError(`${what} has a label without an index or without a name: <label ${attributes}>${content}`)
    }
    return { value: value === undefined ? Number(index) + shift : Number(value), name }
  })
}

function unescapeXml(text: string): string {
  const entities: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }
  return text.replace(/&(amp|lt|gt|quot|apos);/g, (_, name: string) => entities[name]!)
}

/** ITK-SNAP's label descriptions: label, colour, opacity, two flags and the name in quotation marks; undefined for others. */
function fromSnap(text: string): RegionName[] | undefined {
  const lines = text.split(/\r\n|\n|\r/).filter((line) => /^\s*[^#\s]/.test(line))
  const found = lines.map((line) => /^\s*(\d+)(?:\s+\d+){3}\s+[\d.]+\s+[01]\s+[01]\s+"(.+)"\s*$/.exec(line))
  if (found.length === 0 || found.includes(null)) return undefined
  return found.map((match) => ({ value: Number(match![1]), name: match![2]!.trim() }))
}

/** Lines without a header; undefined where a line is not of their kind. Lines that begin with # are comments. */
function fromList(text: string): RegionName[] | undefined {
  const lines = text.split(/\r\n|\n|\r/).map((line) => line.trim())
  const cells = lines.filter((line) => line !== '' && !line.startsWith('#')).map(splitLine)
  // ROI_MNI_V*.txt: short name, name, label.
  if (cells.every((row) => row.length === 3 && !isNumber(row[0]) && isNumber(row[2]))) {
    return cells.map(([, name, value]) => ({ value: Number(value), name: name! }))
  }
  if (!cells.every((row) => isNumber(row[0]) && row.length > 1 && !isNumber(row[1]))) return undefined
  // Numbers behind the name: colour and opacity in FreeSurfer's tables, a code in AAL's. A number that is needed to tell
  // names apart (Visual 1, Visual 2) belongs to them.
  const coloured = (row: readonly string[]) => [5, 6].includes(row.length) && row.slice(2).every(isNumber)
  const coded = cells.every((row) => row.length === 3 && isNumber(row[2])) && distinct(cells.map((row) => row[1]!))
  return cells.map((row) => {
    const value = Number(row[0])
    if (coded) return { value, name: row[1]!, code: Number(row[2]) }
    return { value, name: coloured(row) ? row[1]! : row.slice(1).join(' ') }
  })
}

const isNumber = (cell: string | undefined) => cell !== undefined && /^\d+$/.test(cell)

const distinct = (names: readonly string[]) => new Set(names).size === names.length

/** Cells of a line: between tabs, or commas or semicolons behind the first number, or else between spaces. */
function splitLine(line: string): string[] {
  const separator = line.includes('\t') ? /\t+/ : /^\d+\s*[,;]/.test(line) ? /[,;]/ : /\s+/
  return line.split(separator).map((cell) => cell.trim().replace(/^"(.*)"$/, '$1'))
}

function fromColumns(text: string, what: string): RegionName[] {
  const { columns, rows } = parseTable(text, what)
  const find = (wanted: readonly string[], fits: (cell: string | null | undefined) => boolean, other?: string) =>
    wanted
      .map((name) =>
        columns.find(
          (column) =>
            column
              .toLowerCase()
              .replace(/[.\s]+/g, '_')
              .replace(/_$/, '') === name,
        ),
      )
      .find((column) => column !== undefined && column !== other && rows.every(({ cells }) => fits(cells[column])))
  const value = find(VALUE_COLUMNS, (cell) => /^\d+(\.0*)?$/.test(cell ?? ''))
  const name = find(NAME_COLUMNS, (cell) => cell !== null && cell !== undefined, value)
  if (value === undefined || name === undefined) {
    const missing = value === undefined ? 'whole numbers for the labels (index)' : 'a name in every line (name)'
    throw new InputError(`${what} has the columns ${columns.join(', ')}, but none with ${missing}`)
  }
  return rows.map(({ cells }) => ({ value: Number(cells[value]), name: cells[name]! }))
}
