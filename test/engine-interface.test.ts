/** What kernels declare: read by our few lines, and by wgsl_reflect, a whole parser of WGSL. Both must agree. */
import './support/all-shaders.ts'
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type TemplateInfo, type VariableInfo, WgslReflect } from 'wgsl_reflect/wgsl_reflect.module.js'
import { GpuError } from '../src/engine/errors.ts'
import { readInterface } from '../src/engine/interface.ts'
import { shaders } from '../src/engine/shaders.gen.ts'
import { assemble } from '../src/engine/source.ts'

const test = suite('interface')

/** Only the declarations: the library takes seconds for all bodies. */
function reflected(code: string) {
  const declarations = (code.match(/^struct \w+ \{[^}]*\}|^@group\(.*;$/gm) ?? []).join('\n')
  const variables: VariableInfo[] = new WgslReflect(declarations).getBindGroups()[0] ?? []
  return variables.map(({ name, resourceType, access, size, members }) => {
    const uniform = resourceType === 0
    const fields = (members ?? []).map((member) => {
      // vec3<f32> has its element as format, vec3f in its name.
      const element = (member.type as TemplateInfo).format?.name ?? member.type.name
      const type = element.endsWith('32') ? element : `${element.at(-1)}32`
      return { name: member.name, type, count: member.type.size / 4, offset: member.offset }
    })
    const kind = uniform ? 'uniform' : 'storage'
    return { name, kind, writes: access === 'read_write', size: uniform ? size : 0, fields: uniform ? fields : [] }
  })
}

test('every kernel that ships', () => {
  let uniforms = 0
  for (const [name, text] of Object.entries(shaders)) {
    const { code } = /@compute/.test(text) ? assemble(name) : { code: text }
    assert.equal(readInterface(code), reflected(code), name)
    uniforms += readInterface(code).filter((v) => v.kind === 'uniform').length
  }
  assert.ok(uniforms > 5)
})

test('any order of fields', () => {
  const type = fc.constantFrom('f32', 'i32', 'u32', 'vec2f', 'vec3f', 'vec3u', 'vec4i', 'vec2<u32>', 'vec3<f32>')
  fc.assert(
    fc.property(fc.array(type, { minLength: 1, maxLength: 9 }), (types) => {
      const members = types.map((t, k) => `field${k}: ${t}`)
      const code = [
        `struct Params {\n${members.join(',\n')},\n}`,
        '@group(0) @binding(0) var<storage, read> x: array<vec4f>;',
        '@group(0) @binding(1) var<uniform> params: Params;',
      ].join('\n')
      assert.equal(readInterface(code), reflected(code), types.join(' '))
    }),
    { seed: 23, numRuns: 60 },
  )
})

test('what kernels here do not declare is refused', () => {
  const refused = (code: string, message: RegExp) =>
    assert.throws(
      () => readInterface(code),
      (e: unknown) => e instanceof GpuError && message.test(e.message),
    )
  const uniform = '@group(0) @binding(0) var<uniform> params: Params;'
  refused(uniform, /uniform params must be a struct, but is a Params/)
  refused(`struct Params { size: array<u32, 4> }\n${uniform}`, /number or a vector of numbers, got "size: array<u32"/)
  refused(`struct Params { @align(16) size: u32 }\n${uniform}`, /got "@align\(16\) size: u32"/)
  refused('@group(1) @binding(0) var<storage, read> x: array<f32>;', /no binding is declared like this: @group\(1\)/)
})

test.run()
