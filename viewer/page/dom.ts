/** Elements, with texts that follow the page's language. */
import { type Key, say, type Values } from './strings.ts'

/** Attributes whose values are keys of texts: `t` is the content, the others are attributes of that name. */
const TEXTS = ['t', 'aria-label', 'title', 'placeholder'] as const

interface Properties {
  readonly class?: string
  /** Text of the element. */
  readonly t?: Key
  readonly values?: Values
  /** Texts of attributes. */
  readonly label?: Key
  readonly title?: Key
  readonly attributes?: Readonly<Record<string, string | number | boolean | undefined>>
  readonly on?: Readonly<Record<string, (event: Event) => void>>
}

type Child = Node | string | undefined | false

export function el<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  properties: Properties = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag)
  fill(element, properties)
  element.append(...children.filter((child): child is Node | string => child !== undefined && child !== false))
  return element
}

const SVG = 'http://www.w3.org/2000/svg'

export function svg<K extends keyof SVGElementTagNameMap>(
  tag: K,
  attributes: Readonly<Record<string, string | number>> = {},
  ...children: readonly (Node | string)[]
): SVGElementTagNameMap[K] {
  const element = document.createElementNS(SVG, tag)
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value))
  element.append(...children)
  return element
}

function fill(element: HTMLElement, { class: names, t, values, label, title, attributes, on }: Properties): void {
  if (names) element.className = names
  if (t) setText(element, t, values)
  if (label) setLabel(element, label, values)
  if (title) setTitle(element, title, values)
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === true) element.setAttribute(name, '')
    else if (value !== undefined && value !== false) element.setAttribute(name, String(value))
  }
  for (const [name, listener] of Object.entries(on ?? {})) element.addEventListener(name, listener)
}

/** Text that changes with the language. Numbers among the values are written as the language does. */
export function setText(element: Element, key: Key, values?: Values): void {
  remember(element, 't', key, values)
  const text = say(key, values)
  if (element.textContent !== text) element.textContent = text
}

/** An accessible name that changes with the language. */
export function setLabel(element: Element, key: Key, values?: Values): void {
  setAttributeText(element, 'aria-label', key, values)
}

/** A tooltip that changes with the language. */
export function setTitle(element: Element, key: Key, values?: Values): void {
  setAttributeText(element, 'title', key, values)
}

function setAttributeText(element: Element, name: 'aria-label' | 'title', key: Key, values?: Values): void {
  remember(element, name, key, values)
  element.setAttribute(name, say(key, values))
}

function remember(element: Element, name: (typeof TEXTS)[number], key: Key, values: Values | undefined): void {
  element.setAttribute(`data-${name}`, JSON.stringify(values ? [key, values] : [key]))
}

/** Says everything again, after the language has changed. */
export function translate(root: ParentNode): void {
  for (const name of TEXTS) {
    for (const element of root.querySelectorAll(`[data-${name}]`)) {
      const [key, values] = JSON.parse(element.getAttribute(`data-${name}`)!) as [Key, Values?]
      if (name === 't') element.textContent = say(key, values)
      else element.setAttribute(name, say(key, values))
    }
  }
}

let lastId = 0

/** A label above its control. */
export function field(label: Key, control: HTMLElement, ...more: readonly Child[]): HTMLElement {
  control.id ||= `field-${++lastId}`
  return el('div', { class: 'field' }, el('label', { t: label, attributes: { for: control.id } }), control, ...more)
}

/** Options of a select, anew only where they differ. */
export function setOptions(
  select: HTMLSelectElement,
  options: readonly { value: string; text: string }[],
  chosen: string,
): void {
  const same =
    select.options.length === options.length &&
    options.every(({ value, text }, k) => select.options[k]!.value === value && select.options[k]!.text === text)
  if (!same) select.replaceChildren(...options.map(({ value, text }) => new Option(text, value)))
  select.value = chosen
}

/** A check box with its label. */
export function check(label: Key, onChange: (checked: boolean) => void): { row: HTMLElement; box: HTMLInputElement } {
  const box = el('input', { attributes: { type: 'checkbox' }, on: { change: () => onChange(box.checked) } })
  return { row: el('label', { class: 'check' }, box, el('span', { t: label })), box }
}
