/** What the settings of methods are, in the page's language: the methods' own words, or these. */
import type { SettingFacts } from '../worker/method-facts.ts'
import { type Language, language } from './strings.ts'

/** By the English words. */
export const GERMAN_HINTS: Readonly<Record<string, string>> = {
  'weight of the area term |1 - m|^beta1': 'Gewicht der Fläche |1 - m|^beta1',
  'weight of the smoothness term |grad m|^beta2': 'Gewicht der Glattheit |grad m|^beta2',
  'exponent of the area term': 'Exponent der Fläche',
  'exponent of the smoothness term': 'Exponent der Glattheit',
  'what replaces masked voxels': 'was verdeckte Voxel ersetzt',
  'where the mask acts': 'wo die Maske wirkt',
  'whether terms are means or sums over voxels': 'Mittelwerte oder Summen über die Voxel',
  'edge of a mask cell in voxels, 1 to 64; auto: about 12 mm':
    'Kante einer Zelle in Voxeln, 1 bis 64; auto: etwa 12 mm',
  'random shift in each step, in voxels': 'zufällige Verschiebung je Schritt, in Voxeln',
  'steps at most': 'höchstens so viele Schritte',
  'stop when the loss changes by less than this part; 0: never':
    'Ende, wenn der Verlust sich um weniger als diesen Anteil ändert; 0: nie',
  'of Adam': 'von Adam',
  'what is driven down': 'was gesenkt wird',
  'rules of the layers': 'Regeln der Schichten',
  'stabiliser of Epsilon rules; default: the composite’s':
    'Stabilisator der Epsilon-Regeln; sonst der des Regelsatzes (composite)',
  'lowest input of a ZBox rule; default: of each channel': 'kleinste Eingabe einer ZBox-Regel; sonst die jedes Kanals',
  'highest input of a ZBox rule; default: of each channel': 'größte Eingabe einer ZBox-Regel; sonst die jedes Kanals',
  'relevance to begin with': 'Relevanz, mit der begonnen wird',
  'zennit or innvestigate; default: the composite’s': 'zennit oder innvestigate; sonst die des Regelsatzes (composite)',
  'batch norms without a linear layer before': 'Batch-Norm ohne lineare Schicht davor',
  'also sum the relevance at every layer': 'auch die Relevanz jeder Schicht summieren',
  'points on the way from the baseline to the scan': 'Punkte auf dem Weg vom Vergleich zur Aufnahme',
  'what a scan is compared with': 'womit eine Aufnahme verglichen wird',
  'noisy copies of the scan': 'verrauschte Kopien der Aufnahme',
  'standard deviation of the noise, in `unit`': 'Standardabweichung des Rauschens, in `unit`',
  'unit of the noise': 'Einheit des Rauschens',
  "take the gradients' absolute values first, as Captum's NoiseTunnel does around Saliency":
    'zuerst Beträge der Gradienten, wie NoiseTunnel um Saliency in Captum',
  'where the rule applies': 'wo die Regel gilt',
  'name of the layer to look at; default: the last convolution':
    'Name der betrachteten Schicht; sonst die letzte Faltung',
  'keep what speaks for the class only': 'nur behalten, was für die Klasse spricht',
  'random points': 'zufällige Punkte',
  'shape of the window': 'Form des Fensters',
  'edge of a box': 'Kante eines Quaders',
  'radius of a sphere': 'Radius einer Kugel',
  'from one window to the next': 'von einem Fenster zum nächsten',
  'unit of edge, radius and stride': 'Einheit von Kante, Radius und Abstand',
  'replace intensities by the value, or scale them by it':
    'Werte durch den angegebenen ersetzen oder mit ihm malnehmen',
  'the value, in the units of the input': 'der Wert, in Einheiten der Eingabe',
  'what is watched': 'was beobachtet wird',
  masks: 'Masken',
  'cells of a mask along each axis': 'Zellen einer Maske je Achse',
  'probability that a cell keeps the scan': 'Wahrscheinlichkeit, dass eine Zelle die Aufnahme behält',
  'take the mean score off first': 'zuerst den Mittelwert abziehen',
}

/** What a setting is; the words that it takes are left out where the page lists them. */
export function settingHint({ text, words }: Pick<SettingFacts, 'text' | 'words'>): { text: string; lang: Language } {
  const english = words.length > 1 ? text.split(':')[0]! : text
  const german = language() === 'de' ? GERMAN_HINTS[english] : undefined
  return german === undefined ? { text: english, lang: 'en' } : { text: german, lang: 'de' }
}
