/** Words of the page: one table a language. A key that a table lacks is a type error. */

const en = {
  skip: 'Skip to the controls',
  language: 'Language',
  theme: 'Theme',
  light: 'Light',
  dark: 'Dark',
  auto: 'As the system',
  controls: 'Controls',
  brain: 'Brain views',
  privacy: 'Scans and networks stay on this computer.',
  gpuOpening: 'Starting the engine …',
  gpuReady: 'Computes on {name}',
  gpuNone: 'No WebGPU: maps made before can be looked at, but nothing can be computed.',
  gpuNoneHelp:
    'Computing needs WebGPU: Chrome or Edge 123 and newer, Safari 26 and newer, Firefox 141 and newer (Windows; macOS from 145). Maps made before can be looked at in this one, too.',
  gpuLost: 'The GPU was lost (a driver reset, or the computer slept). It was opened again and the work repeated.',
  gpuGone: 'The GPU was lost and could not be opened again. Close what else uses it and load this page again.',
  webglNone:
    'This browser cannot draw the views: they need WebGL 2. Switch on hardware acceleration and load the page again.',
  dismiss: 'Dismiss',
  scan: 'Scan',
  subject: 'Subject',
  open: 'Open …',
  ownScan: 'Open a scan',
  ownScanHint: 'NIfTI (.nii, .nii.gz), also by drag and drop',
  network: 'Network',
  ownNetwork: 'Open a network',
  ownNetworkHint: 'voxplain, ONNX, Keras, PyTorch (.safetensors, .onnx, .h5, .keras, .pt, .pth), also by drag and drop',
  networkFacts: '{layers} layers, {parameters} parameters, input {input}',
  likelihood: 'Likelihood',
  predicting: 'Predicting …',
  noPrediction: 'No prediction yet',
  own: 'own',
  covariates: 'Covariates',
  covariatesFixed: 'Covariates belong to this scan; those of your own scans can be edited.',
  covariateMean: 'mean of the controls: {mean}',
  resample: 'Resample to {grid}',
  expects: 'The network takes {grid} voxels.',
  expectsWhere: 'The network takes {grid} voxels, the first at {origin} mm, {size} mm wide.',
  explain: 'Explain',
  method: 'Method',
  target: 'Class',
  predicted: 'the predicted one',
  settings: 'Settings',
  compute: 'Explain',
  cancel: 'Cancel',
  computing: '{method}: {percent} %',
  computed: '{method} done in {seconds} s',
  cancelled: 'Cancelled',
  maskWatch: 'P({class}) under the mask: {score}, step {iteration} of {iterations}',
  maskTrace: 'Score of the class while the mask is optimised',
  step: 'step',
  overlay: 'Overlay',
  map: 'Map',
  mapB: 'Second map',
  noMap: 'none',
  threshold: 'Threshold',
  thresholdValue: '{value} ({percent} % of the scale)',
  minCluster: 'Smallest cluster',
  minClusterAll: 'all are shown',
  minClusterValue: '{voxels} voxels, {mm3} mm³',
  clusterSizes: 'Cluster sizes',
  clusterSummary: '{clusters} of {all} clusters, {voxels} voxels shown',
  clusterAxis: 'voxels in a cluster',
  opacity: 'Opacity',
  hide: 'Hide overlay',
  scale: 'Colour scale',
  scaleOwn: 'of the map',
  scaleFixed: 'fixed',
  scaleMax: 'Brightest at',
  view: 'View',
  radiological: 'Radiological (left is right)',
  outline: 'Region outline',
  render: '3D',
  compare: 'Two maps side by side',
  left: 'Left',
  leftMark: 'L',
  right: 'Right',
  rightMark: 'R',
  back: 'Posterior',
  backMark: 'P',
  front: 'Anterior',
  frontMark: 'A',
  axial: 'Axial',
  coronal: 'Coronal',
  sagittal: 'Sagittal',
  slice: '{plane} slice, {axis} in mm',
  sum: 'Sum',
  positive: 'for the class',
  negative: 'against it',
  sums: '{plane}: sums of positive and negative relevance by slice',
  canvas: 'Brain slices; click or drag to move the crosshair, wheel for slices, arrow keys on the sliders',
  position: 'Position',
  region: 'Region',
  value: 'Value',
  cluster: 'Cluster',
  none: '–',
  clusterFacts: '{voxels} voxels, {mm3} mm³, mean {mean}, peak {peak}',
  regions: 'Regions',
  regionsHint: 'Relevance shown, by region',
  noRegions: 'No relevance above the threshold in any region.',
  noAtlas: 'No atlas in the space of this scan.',
  goTo: '{region}: {value}; go to its peak',
  export: 'Export',
  exportMap: 'Map (NIfTI)',
  exportPicture: 'Picture (PNG)',
  exportTable: 'Regions (TSV)',
  exportReport: 'Report (HTML)',
  saved: 'Saved {name}',
  dropHere: 'Drop a scan or a network',
  tooLarge: '{name} has {size}, more than the {limit} that a page can hold. Crop it, or use the command line.',
  notUsable: '{name} cannot be used.',
  misfit: '{name} and the network do not go together.',
  failed: 'That did not work.',
  loadFailed: '{name} could not be loaded.',
  outOfMemory: 'The GPU has too little memory for this.',
  reportTitle: 'Relevance of {subject}',
  reportScale: 'Colours from {threshold} to {max}; clusters of at least {voxels} voxels.',
  reportMade: 'Made by voxplain in a browser; the scan did not leave the computer.',
  true: 'yes',
  false: 'no',
}

export type Key = keyof typeof en
export type Language = 'en' | 'de'

const de: Record<Key, string> = {
  skip: 'Zu den Bedienelementen',
  language: 'Sprache',
  theme: 'Farben',
  light: 'Hell',
  dark: 'Dunkel',
  auto: 'Wie das System',
  controls: 'Bedienung',
  brain: 'Schnittbilder',
  privacy: 'Aufnahmen und Netze bleiben auf diesem Rechner.',
  gpuOpening: 'Die Rechenmaschine startet …',
  gpuReady: 'Rechnet auf {name}',
  gpuNone: 'Kein WebGPU: fertige Karten lassen sich ansehen, aber nichts berechnen.',
  gpuNoneHelp:
    'Zum Rechnen braucht es WebGPU: Chrome oder Edge ab 123, Safari ab 26, Firefox ab 141 (Windows; macOS ab 145). Fertige Karten zeigt auch dieser hier.',
  gpuLost:
    'Die GPU ging verloren (Treiber neu gestartet, oder der Rechner schlief). Sie wurde neu geöffnet, die Arbeit wiederholt.',
  gpuGone:
    'Die GPU ging verloren und ließ sich nicht wieder öffnen. Bitte schließen, was sie sonst benutzt, und neu laden.',
  webglNone:
    'Dieser Browser kann die Bilder nicht zeichnen: Sie brauchen WebGL 2. Bitte Hardwarebeschleunigung einschalten und neu laden.',
  dismiss: 'Schließen',
  scan: 'Aufnahme',
  subject: 'Person',
  open: 'Öffnen …',
  ownScan: 'Aufnahme öffnen',
  ownScanHint: 'NIfTI (.nii, .nii.gz), auch mit Ziehen und Ablegen',
  network: 'Netz',
  ownNetwork: 'Netz öffnen',
  ownNetworkHint:
    'voxplain, ONNX, Keras, PyTorch (.safetensors, .onnx, .h5, .keras, .pt, .pth), auch mit Ziehen und Ablegen',
  networkFacts: '{layers} Schichten, {parameters} Parameter, Eingabe {input}',
  likelihood: 'Wahrscheinlichkeit',
  predicting: 'Vorhersage läuft …',
  noPrediction: 'Noch keine Vorhersage',
  own: 'eigene',
  covariates: 'Kovariaten',
  covariatesFixed: 'Die Kovariaten gehören zu dieser Aufnahme; die eigener Aufnahmen lassen sich ändern.',
  covariateMean: 'Mittel der Kontrollen: {mean}',
  resample: 'Auf {grid} umrechnen',
  expects: 'Das Netz erwartet {grid} Voxel.',
  expectsWhere: 'Das Netz erwartet {grid} Voxel, das erste bei {origin} mm, {size} mm breit.',
  explain: 'Erklären',
  method: 'Verfahren',
  target: 'Klasse',
  predicted: 'die vorhergesagte',
  settings: 'Einstellungen',
  compute: 'Erklären',
  cancel: 'Abbrechen',
  computing: '{method}: {percent} %',
  computed: '{method} fertig in {seconds} s',
  cancelled: 'Abgebrochen',
  maskWatch: 'P({class}) unter der Maske: {score}, Schritt {iteration} von {iterations}',
  maskTrace: 'Wert der Klasse, während die Maske entsteht',
  step: 'Schritt',
  overlay: 'Überlagerung',
  map: 'Karte',
  mapB: 'Zweite Karte',
  noMap: 'keine',
  threshold: 'Schwelle',
  thresholdValue: '{value} ({percent} % der Skala)',
  minCluster: 'Kleinster Cluster',
  minClusterAll: 'alle sichtbar',
  minClusterValue: '{voxels} Voxel, {mm3} mm³',
  clusterSizes: 'Clustergrößen',
  clusterSummary: '{clusters} von {all} Clustern, {voxels} Voxel sichtbar',
  clusterAxis: 'Voxel im Cluster',
  opacity: 'Deckkraft',
  hide: 'Überlagerung ausblenden',
  scale: 'Farbskala',
  scaleOwn: 'der Karte',
  scaleFixed: 'fest',
  scaleMax: 'Am hellsten bei',
  view: 'Ansicht',
  radiological: 'Radiologisch (links ist rechts)',
  outline: 'Umriss der Region',
  render: '3D',
  compare: 'Zwei Karten nebeneinander',
  left: 'Links',
  leftMark: 'L',
  right: 'Rechts',
  rightMark: 'R',
  back: 'Hinten',
  backMark: 'P',
  front: 'Vorn',
  frontMark: 'A',
  axial: 'Axial',
  coronal: 'Koronal',
  sagittal: 'Sagittal',
  slice: 'Schnitt {plane}, {axis} in mm',
  sum: 'Summe',
  positive: 'für die Klasse',
  negative: 'gegen sie',
  sums: '{plane}: Summen positiver und negativer Relevanz je Schicht',
  canvas: 'Schnittbilder; Klicken oder Ziehen bewegt das Fadenkreuz, das Rad die Schicht, Pfeiltasten die Regler',
  position: 'Position',
  region: 'Region',
  value: 'Wert',
  cluster: 'Cluster',
  none: '–',
  clusterFacts: '{voxels} Voxel, {mm3} mm³, Mittel {mean}, Spitze {peak}',
  regions: 'Regionen',
  regionsHint: 'Sichtbare Relevanz je Region',
  noRegions: 'In keiner Region liegt Relevanz über der Schwelle.',
  noAtlas: 'Kein Atlas im Raum dieser Aufnahme.',
  goTo: '{region}: {value}; zur Spitze gehen',
  export: 'Ausgabe',
  exportMap: 'Karte (NIfTI)',
  exportPicture: 'Bild (PNG)',
  exportTable: 'Regionen (TSV)',
  exportReport: 'Bericht (HTML)',
  saved: '{name} gespeichert',
  dropHere: 'Aufnahme oder Netz hier ablegen',
  tooLarge:
    '{name} hat {size}, mehr als die {limit}, die eine Seite fassen kann. Bitte zuschneiden oder die Kommandozeile nehmen.',
  notUsable: '{name} ist nicht verwendbar.',
  misfit: '{name} und das Netz passen nicht zusammen.',
  failed: 'Das ging nicht.',
  loadFailed: '{name} konnte nicht geladen werden.',
  outOfMemory: 'Die GPU hat dafür zu wenig Speicher.',
  reportTitle: 'Relevanz von {subject}',
  reportScale: 'Farben von {threshold} bis {max}; Cluster ab {voxels} Voxeln.',
  reportMade: 'Mit voxplain im Browser gemacht; die Aufnahme hat den Rechner nicht verlassen.',
  true: 'ja',
  false: 'nein',
}

const tables: Readonly<Record<Language, Readonly<Record<Key, string>>>> = { en, de }

export type Values = Readonly<Record<string, string | number>>

let current: Language = 'en'

/** The language that `say` speaks; elements that are there already change with `translate` (dom.ts). */
export function setLanguage(language: Language): void {
  current = language
}

export const language = (): Language => current

/** A text in the page's language, with its {places} filled: numbers as the language writes them, `@key` by that text. */
export function say(key: Key, values: Values = {}): string {
  return tables[current][key].replace(/\{(\w+)\}/g, (whole, name: string) => {
    const value = values[name]
    if (typeof value === 'number') return number(value)
    return value === undefined ? whole : value.startsWith('@') ? say(value.slice(1) as Key) : value
  })
}

/** A number to look at: four digits that count, thousands apart. */
export function number(value: number, digits = 4): string {
  if (!Number.isFinite(value)) return '–'
  const magnitude = Math.abs(value)
  if (magnitude !== 0 && (magnitude < 1e-3 || magnitude >= 1e7)) {
    const text = value.toExponential(2)
    return current === 'de' ? text.replace('.', ',') : text
  }
  const options = Number.isInteger(value) ? {} : { maximumSignificantDigits: digits }
  return new Intl.NumberFormat(current, options).format(value)
}

/** A number with so many digits behind the point. */
export function fixed(value: number, digits: number): string {
  const options = { minimumFractionDigits: digits, maximumFractionDigits: digits }
  return new Intl.NumberFormat(current, options).format(value + 0)
}
