/** What the methods are called in the page's language; those that have no other name in German keep theirs. */
import type { MethodFacts } from '../worker/method-facts.ts'
import { language } from './strings.ts'

const GERMAN: Readonly<Record<string, string>> = {
  mask: 'Störungsmaske',
  lrp: 'Schichtweise Relevanz (LRP)',
  saliency: 'Gradient (Saliency)',
  inputXGradient: 'Eingabe × Gradient',
  ig: 'Integrierte Gradienten',
  smoothGradSquared: 'SmoothGrad, quadriert',
  guidedBackprop: 'Geführte Rückpropagation',
  deconvolution: 'Entfaltung',
  guidedGradCam: 'Geführtes Grad-CAM',
  occlusion: 'Verdeckung',
  atlasOcclusion: 'Verdeckung je Region',
}

export function methodTitle({ name, title }: Pick<MethodFacts, 'name' | 'title'>): string {
  return (language() === 'de' && GERMAN[name]) || title
}
