/** The viewer's hints about settings: each has a German text, and none is left of a setting that is gone. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { GERMAN_HINTS, settingHint } from '../viewer/page/setting-hints.ts'
import { setLanguage } from '../viewer/page/strings.ts'
import { methodFacts } from '../viewer/worker/method-facts.ts'

const test = suite('hints about settings')
const settings = methodFacts().flatMap((method) => method.settings)

test('every setting has words in both languages', () => {
  const english = new Set(settings.map((setting) => settingHint(setting).text))
  assert.equal([...english].sort(), Object.keys(GERMAN_HINTS).sort())
  setLanguage('de')
  for (const setting of settings) assert.is(settingHint(setting).lang, 'de', setting.text)
  setLanguage('en')
})

test('words that the page lists are left out of the hint', () => {
  const text = 'what is compared: one, or two'
  assert.is(settingHint({ text, words: ['one', 'two'] }).text, 'what is compared')
  assert.is(settingHint({ text, words: [] }).text, text)
})

test.run()
